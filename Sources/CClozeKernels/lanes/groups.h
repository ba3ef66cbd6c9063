/* How quantized values lie in packed matrices. Activations: groups of ROW_GROUP bytes, four where a variant doesn't
 * say otherwise, one for each row in turn, that hold neighbouring values of a row: bytes, or int16 for products of
 * int16. Weights: panels of PANEL columns. */
#ifndef CLOZE_GROUPS_H
#define CLOZE_GROUPS_H

#include "lanes.h"

#define PANEL 16
#if !defined(ROW_GROUP)
#define ROW_GROUP 4
#endif
#define UP(x, to) (((x) + (to) - 1) / (to) * (to))

/* Writes the first `groups` groups of converted values, `stride` groups apart. */
INLINE void put_groups(char *to, size_t stride, const void *from, size_t groups) {
  const char *bytes = from;
  if (groups == LANES / ROW_GROUP) {
#pragma clang loop unroll(full)
    for (size_t g = 0; g < LANES / ROW_GROUP; g++)
      memcpy(to + g * stride * ROW_GROUP, bytes + g * ROW_GROUP, ROW_GROUP);
  } else {
    for (size_t g = 0; g < groups; g++) memcpy(to + g * stride * ROW_GROUP, bytes + g * ROW_GROUP, ROW_GROUP);
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
  put_groups(to + p * stride, stride, &b, p + LANES <= k ? LANES / ROW_GROUP : (k - p + ROW_GROUP - 1) / ROW_GROUP);
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
  if (p + LANES <= k) put_groups(to + p * 2 * stride, stride, &b, 8);
  else put_groups(to + p * 2 * stride, stride, &b, (k - p + 1) / 2);
  return q;
}

INLINE f32x16 row_at(const float *x, const float *factor, size_t i, size_t n) {
  f32x16 v = load_upto(x + i, n, 0);
  return factor ? v * load_upto(factor + i, n, 0) : v;
}

#endif
