/* How quantized values lie in packed matrices. Activations: groups of ROW_GROUP bytes, four where a variant doesn't
 * say otherwise and at most 16, one for each row in turn, that hold neighbouring values of a row: bytes, or int16 for
 * products of int16. Weights: panels of PANEL columns. */
#ifndef CLOZE_GROUPS_H
#define CLOZE_GROUPS_H

#include "lanes.h"

#define PANEL 16
#if !defined(ROW_GROUP)
#define ROW_GROUP 4
#endif
#define UP(x, to) (((x) + (to) - 1) / (to) * (to))

/* For each step of a product, four bytes of each row at a, with the next of a row ROW_GROUP bytes after it: where that is 16, the
 * steps lie in fours. b, which the columns of a step begin at, advances by `columns` bytes. */
#define EACH_STEP(steps, a, rows, b, columns)                                          \
  for (size_t left_ = (steps); left_; a += (rows) * ROW_GROUP - ROW_GROUP)              \
    _Pragma("clang loop unroll(disable)")                                               \
    for (size_t in_ = left_ < ROW_GROUP / 4 ? left_ : ROW_GROUP / 4; in_; in_--, left_--, a += 4, b += (columns))

/* Writes the first groups of converted values, `stride` groups apart: those that `values` values of `size` bytes take. */
INLINE void put_groups(char *to, size_t stride, const void *from, size_t values, size_t size) {
  const char *bytes = from;
  if (values == LANES) {
#pragma clang loop unroll(full)
    for (size_t at = 0; at < LANES * size; at += ROW_GROUP) memcpy(to + at * stride, bytes + at, ROW_GROUP);
  } else {
    for (size_t at = 0; at < values * size; at += ROW_GROUP) memcpy(to + at * stride, bytes + at, ROW_GROUP);
  }
}

/* What a panel of activations that lie as bytes holds first, for each of its rows. */
typedef struct {
  int32_t start; /* of the row's sums */
} byte_row;

/* Puts values p ... p + 15 of a row of k, of which those beyond k are zero, into their groups; `to` is the row's first
 * group. */
INLINE void put_u8(char *to, size_t stride, size_t p, size_t k, i32x16 q) {
  u8x16 b = __builtin_convertvector((u32x16)q, u8x16);
  put_groups(to + p * stride, stride, &b, p + LANES <= k ? LANES : k - p, 1);
}

/* The same; gives back what was put, with zeros beyond the group of four weights in which k ends. */
INLINE i32x16 put_bytes(char *to, size_t stride, size_t p, size_t k, i32x16 q) {
  put_u8(to, stride, p, k, q);
  if (p + LANES > k)
    for (size_t i = UP(k - p, 4); i < LANES; i++) q[i] = 0;
  return q;
}

/* The same for int16; gives back q. */
INLINE i32x16 put_i16(char *to, size_t stride, size_t p, size_t k, i32x16 q) {
  i16x16 b = __builtin_convertvector(q, i16x16);
  put_groups(to + p * 2 * stride, stride, &b, p + LANES <= k ? LANES : k - p, 2);
  return q;
}

INLINE f32x16 row_at(const float *x, const float *factor, size_t i, size_t n) {
  f32x16 v = load_upto(x + i, n, 0);
  return factor ? v * load_upto(factor + i, n, 0) : v;
}

#endif
