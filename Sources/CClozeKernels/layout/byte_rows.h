/* Activations of dense int8 products as bytes: the layout for instructions that add four products of bytes in int32.
 *
 * A quantized value q in 0 ... 255 is stored as a = q - ROW_BIAS: u8 with ROW_BIAS 0; s8 with 128, where the
 * instruction takes weights on its unsigned side. Weights are stored as w + 128, which a row's header takes back:
 *
 *   sum a w = sum a (w + 128) + sum_correction,   sum_correction = -128 sum a
 *
 * A panel: the headers of its rows, then the bytes in runs (panels.h). split_rows.h defines the same names. */
#ifndef CLOZE_BYTE_ROWS_H
#define CLOZE_BYTE_ROWS_H

#include "../simd/quantize.h"
#include "panels.h"

/* How often a header holds its correction: once, or where a tile's sums are loaded from it, once a column. */
#if !defined(CORRECTIONS)
#define CORRECTIONS 1
#endif

typedef struct {
  int32_t sum_correction[CORRECTIONS]; /* -128 sum a */
} row_header;

INLINE void set_sum_correction(char *panel, size_t r, int32_t correction) {
  for (size_t i = 0; i < CORRECTIONS; i++) ((row_header *)panel)[r].sum_correction[i] = correction;
}

/* The bytes of a panel, and of any number of them. */
INLINE size_t row_panel_size(size_t rows, size_t k) { return rows * (sizeof(row_header) + ROUND_UP(k, ROW_RUN)); }

/* Begins a panel; returns its accumulation depth, which this layout does not have. */
INLINE int32_t start_row_panel(char *panel, size_t rows, float mean_magnitude) {
  (void)panel, (void)rows, (void)mean_magnitude;
  return 1;
}

/* What is subtracted from each q of a row. */
INLINE int32_t row_offset(int32_t zero_point, int32_t depth) {
  (void)zero_point, (void)depth;
  return ROW_BIAS;
}

/* A quantized value of 0 as a float whose low bits are what is stored (quantize.h). */
#define STORED_ZERO (MAGIC_BIAS - ROW_BIAS)

/* Stores q[p ... p + n - 1] of row r, given as floats q + STORED_ZERO, zero in lanes beyond n. Returns what stored_sum
 * makes sum a of. */
INLINE u32x16 store_row16(char *panel, size_t rows, size_t r, size_t p, size_t k, size_t n, f32x16 q, int32_t offset,
                          const int32_t depth) {
  (void)k, (void)offset, (void)depth;
  store_bytes(panel + rows * sizeof(row_header) + r * ROW_RUN, rows, p, n, (u32x16)q);
  return (u32x16)q;
}

/* sum a, modulo 2^32, of the sum of all that store_row16 returned for a row of k. */
INLINE uint32_t stored_sum(u32x16 sum, size_t k) { return (uint32_t)quantized_sum(sum, ROUND_UP(k, LANES)); }

#endif
