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

/* memory_bound_rows for int8 and float32: such that a thread with half of them needs some 20 GB/s. */
#if !defined(MEMORY_BOUND_INT8)
#define MEMORY_BOUND_INT8 MR
#endif
#if !defined(MEMORY_BOUND_FLOAT)
#define MEMORY_BOUND_FLOAT MR
#endif

/* Asks for memory before it is needed, into the second-level cache. Weights are read in bursts: for the first panel of rows
 * from wherever they are, for the others from a cache. Lest the first wait, tiles ask for the next one's weights while they
 * multiply: each for half as many bytes, from `ahead` on, as it reads itself, so that two panels of rows ask for all. */
INLINE void fetch(const void *ahead) { __builtin_prefetch(ahead, 0, 2); }

/* For each step of a product, four bytes of each row at a, with the next of a row ROW_GROUP bytes after it: where that is 16, the
 * steps lie in fours. b, which the columns of a step begin at, advances by `columns` bytes. */
#define EACH_STEP(steps, a, rows, b, columns)                                          \
  for (size_t left_ = (steps); left_; a += (rows) * ROW_GROUP - ROW_GROUP)              \
    _Pragma("clang loop unroll(disable)")                                               \
    for (size_t in_ = left_ < ROW_GROUP / 4 ? left_ : ROW_GROUP / 4; in_; in_--, left_--, a += 4, b += (columns))

/* Rows of the next panel where `left` are left: those of a tile, but the last two panels share what would leave a few rows,
 * which take as long as four or five. */
INLINE size_t panel_rows(size_t left) { return left <= MR ? left : left < MR + 4 ? (left + 1) / 2 : MR; }

/* Writes the groups that n values of `size` bytes take, `stride` groups apart. */
INLINE void put_groups(char *to, size_t stride, const void *from, size_t n, size_t size) {
  const char *bytes = from;
  if (n == LANES) {
#pragma clang loop unroll(full)
    for (size_t at = 0; at < LANES * size; at += ROW_GROUP) memcpy(to + at * stride, bytes + at, ROW_GROUP);
  } else {
    for (size_t at = 0; at < n * size; at += ROW_GROUP) memcpy(to + at * stride, bytes + at, ROW_GROUP);
  }
}

/* What a panel of activations that lie as bytes holds first, for each of its rows. */
typedef struct {
  int32_t start; /* of the row's sums */
} byte_row;

/* Puts the lowest bytes of n values from p on into the groups of their row, the first of which is at `to`. */
INLINE void put_bytes(char *to, size_t stride, size_t p, size_t n, u32x16 q) {
  u8x16 b = __builtin_convertvector(q, u8x16);
  put_groups(to + p * stride, stride, &b, n, 1);
}

/* The same for int16. */
INLINE void put_i16(char *to, size_t stride, size_t p, size_t n, u32x16 q) {
  i16x16 b = __builtin_convertvector((i32x16)q, i16x16);
  put_groups(to + p * 2 * stride, stride, &b, n, 2);
}

/* n values, multiplied by factors where there are any. */
INLINE f32x16 row_at(const float *x, const float *factor, size_t n) {
  f32x16 v = load_upto(x, n, 0);
  return factor ? v * load_upto(factor, n, 0) : v;
}

#endif
