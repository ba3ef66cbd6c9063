/* Packed panels: how the operands of a product lie in memory, in the order in which tiles read them.
 *
 * One step of a tile's loop over k takes a group from each row and each column: KR neighbouring values of k, four bytes
 * in int8, one float in float32.
 *
 * WEIGHTS lie in panels of NR = 16 columns. A line is a step (w: s8 weights; [p, j]: input p, output column j):
 *
 *   int8, KR 4, 64 bytes a step, w + 128 as u8                          float32, KR 1, 64 bytes a step
 *   | w[0..3, 0] | w[0..3, 1] | ... | w[0..3, 15] |                     | w[0, 0] | w[0, 1] | ... | w[0, 15] |
 *   | w[4..7, 0] | w[4..7, 1] | ... | w[4..7, 15] |                     | w[1, 0] | w[1, 1] | ... | w[1, 15] |
 *   ...  ceil(k / 4) steps, w = 0 beyond k and n                        ...  k steps
 *
 * Panels follow each other. They are the same for every instruction set, as they are stored in files.
 *
 * ACTIVATIONS lie in panels of at most MR rows, interleaved in runs of ROW_RUN bytes: 4 (one group), 8, 16 or 64, as
 * the instruction set reads them. Here 3 rows (a: the stored bytes; [r, p]: row r, input p):
 *
 *   int8, ROW_RUN 4                                    int8, ROW_RUN 16
 *   | header 0 | header 1 | header 2 |                 | header 0 | header 1 | header 2 |
 *   | a[0, 0..3] | a[1, 0..3] | a[2, 0..3] |  step 0   | a[0, 0..15] | a[1, 0..15] | a[2, 0..15] |    steps 0 to 3
 *   | a[0, 4..7] | a[1, 4..7] | a[2, 4..7] |  step 1   | a[0, 16..31]| a[1, 16..31]| a[2, 16..31]|    steps 4 to 7
 *   ...  up to k rounded up to ROW_RUN                 ...
 *
 *   float32: | a[0, p] | a[1, p] | a[2, p] |  for p = 0 ... k - 1, without headers
 *
 * Headers and stored bytes are those of byte_rows.h or split_rows.h; attention's panels have no headers. A matrix of m
 * rows is a sequence of panels, of panel_rows rows each, without gaps. */
#ifndef CLOZE_PANELS_H
#define CLOZE_PANELS_H

#include "../simd/vec16.h"

#define NR 16
#if !defined(ROW_RUN)
#define ROW_RUN 4
#endif

/* memory_bound_rows: so many rows that each of two threads, with half of them, consumes weights at some 20 GB/s. */
#if !defined(MEMORY_BOUND_INT8)
#define MEMORY_BOUND_INT8 MR
#endif
#if !defined(MEMORY_BOUND_FLOAT)
#define MEMORY_BOUND_FLOAT MR
#endif

/* The rows of the next panel where `left` are left: MR, but the last two panels share what would leave a panel of a few
 * rows, which takes as long as one of four or five. */
INLINE size_t panel_rows(size_t left) { return left <= MR ? left : left < MR + 4 ? (left + 1) / 2 : MR; }

/* Prefetches into the second-level cache. Weights are read in bursts: for the first panel of rows from memory, for the
 * others from a cache, while memory is idle. So each tile prefetches from the columns that come next (`ahead`) half as
 * many bytes as it reads: two panels of rows prefetch all of them. */
INLINE void prefetch(const void *ahead) { __builtin_prefetch(ahead, 0, 2); }

/* Prefetches where a tile's results will go, `rows` rows of TILE_NR floats, to be written: by the time the sums are
 * there, so are the cache lines. */
#define PREFETCH_RESULTS(c, ldc, rows)                     \
  for (size_t r_ = 0; r_ < (rows); r_++)                   \
    for (size_t q_ = 0; q_ < TILE_NR; q_ += LANES)         \
      __builtin_prefetch((c) + r_ * (ldc) + q_, 1, 3);

/* A tile's loop over k: in each of `steps` steps, a points to the group of row 0, with that of row r at a + r ROW_RUN,
 * and b to the groups of the columns, `columns` bytes of them. Where a run holds several groups, a takes these one
 * after the other before it moves to the next runs. Not unrolled, as that would spill sums. */
#define EACH_STEP(steps, a, rows, b, columns)                                   \
  for (size_t left_ = (steps); left_; a += (rows) * ROW_RUN - ROW_RUN)          \
    _Pragma("clang loop unroll(disable)")                                       \
    for (size_t in_ = left_ < ROW_RUN / 4 ? left_ : ROW_RUN / 4; in_; in_--, left_--, a += 4, b += (columns))

/* Stores n <= LANES neighbouring values of `size` bytes of one row, from byte `begin` of the row on; the row's first
 * run is at `row`, and each follows the one before at a distance of `rows` runs. A run that is begun is stored up to
 * its end, or that of the LANES values. */
INLINE void store_runs(char *row, size_t rows, size_t begin, const void *from, size_t n, size_t size) {
  enum { PIECE = ROW_RUN < LANES ? ROW_RUN : LANES };
  const char *bytes = from;
  char *to = row + begin / ROW_RUN * ROW_RUN * rows + begin % ROW_RUN;
  if (n == LANES) {
#pragma clang loop unroll(full)
    for (size_t at = 0; at < LANES * size; at += PIECE) memcpy(to + at * rows, bytes + at, PIECE);
  } else {
    for (size_t at = 0; at < n * size; at += PIECE) memcpy(to + at * rows, bytes + at, PIECE);
  }
}

/* Stores the lowest byte, or int16, of values p ... p + n - 1 of one row; the row's first run is at `row`. */
INLINE void store_bytes(char *row, size_t rows, size_t p, size_t n, u32x16 q) {
  u8x16 bytes = __builtin_convertvector(q, u8x16);
  store_runs(row, rows, p, &bytes, n, 1);
}
INLINE void store_int16(char *row, size_t rows, size_t p, size_t n, u32x16 q) {
  i16x16 values = __builtin_convertvector((i32x16)q, i16x16);
  store_runs(row, rows, p * 2, &values, n, 2);
}

#endif
