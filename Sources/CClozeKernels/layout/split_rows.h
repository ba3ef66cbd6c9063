/* Activations of dense int8 products split in two, so that `vpmaddubsw` cannot saturate.
 *
 * The instruction multiplies u8 by s8 and adds neighbouring products in int16, saturating. Here weights are the
 * unsigned side, w + 128 in 1 ... 255, and activations a = q - offset the signed one. A sum of such products stays
 * within int16 where the positive activations in it add up to at most 127, and the negative ones to at least -127, as
 * 127 * 255 < 2^15. Where they do not, the largest are cut until they do; what is cut off, rest = a - cut, goes to a
 * list that the tile adds one by one. All sums are modulo 2^32 and their total fits int32: the result is exact.
 *
 *   sum a w = sum cut (w + 128) + sum rest (w + 128) + sum_correction,   sum_correction = -128 sum a
 *
 * Accumulation depth. Sums in int16 save widening each product to int32. Where activations are small beside their
 * range, as a few large ones make them, the products of `depth` groups are added in int16 before they are widened: with
 * depth 2 those of groups 4i and 4i + 2, and of 4i + 1 and 4i + 3; with depth 4 all four. Each panel has its own depth.
 *
 * Offset. The offset of a row is its zero point, but moved away from the ends of the range: of values that GELU gives,
 * most are near zero and the rest have one sign. These would often be cut for want of room on their side, while the
 * other side stays empty.
 *
 * A panel, here of 2 rows (cut: s8; ROW_RUN is 16; K = k rounded up to 16):
 *
 *   | row_header 0    | row_header 1    |
 *   | cut[0, 0..15]   | cut[1, 0..15]   |
 *   | cut[0, 16..31]  | cut[1, 16..31]  |
 *   ...  up to K
 *   | places u16 [K], row 0 | rests int16 [K], row 0 |    the list of a row: `count` pairs (p, rest) are in use, and
 *   | places u16 [K], row 1 | rests int16 [K], row 1 |    one more of rest 0 if count is odd: tiles add two at a time
 *
 * byte_rows.h defines the same names. */
#ifndef CLOZE_SPLIT_ROWS_H
#define CLOZE_SPLIT_ROWS_H

#include "../simd/quantize.h"
#include "panels.h"

typedef struct {
  int32_t sum_correction; /* -128 sum a */
  uint32_t count;         /* of the list */
  int32_t depth;          /* the panel's accumulation depth: 1, 2 or 4 */
} row_header;

INLINE void set_sum_correction(char *panel, size_t r, int32_t correction) {
  ((row_header *)panel)[r].sum_correction = correction;
}

#define SPLIT_RUNS(panel, rows) ((char *)(panel) + (rows) * sizeof(row_header))
#define SPLIT_PLACES(panel, rows, r, k) \
  ((uint16_t *)(SPLIT_RUNS(panel, rows) + (rows) * ROUND_UP(k, 16)) + (r) * 2 * ROUND_UP(k, 16))
#define SPLIT_RESTS(panel, rows, r, k) ((int16_t *)SPLIT_PLACES(panel, rows, r, k) + ROUND_UP(k, 16))

/* The bytes of a panel, and of any number of them. */
INLINE size_t row_panel_size(size_t rows, size_t k) { return rows * (sizeof(row_header) + ROUND_UP(k, 16) * 5); }

/* The depth for rows whose mean magnitude |q - zero point| this is. More depth would cost more, by what is cut off in
 * addition, than it saves: timed with Gaussian rows with some larger values, and GELU of such. */
INLINE int32_t split_depth(float mean_magnitude) { return mean_magnitude < 11.0f ? 4 : mean_magnitude < 25.0f ? 2 : 1; }

/* Begins a panel; returns its accumulation depth. */
INLINE int32_t start_row_panel(char *panel, size_t rows, float mean_magnitude) {
  int32_t depth = split_depth(mean_magnitude);
  for (size_t r = 0; r < rows; r++) ((row_header *)panel)[r] = (row_header){0, 0, depth};
  return depth;
}

/* What is subtracted from each q of a row. The margin is the largest with which 2 depth values of 0.0f still add up to
 * less than 127 in magnitude. */
INLINE int32_t row_offset(int32_t zero_point, int32_t depth) {
  int32_t margin = 63 / depth;
  return zero_point < margin ? margin : zero_point > 255 - margin ? 255 - margin : zero_point;
}

/* In each lane, the sum (or the maximum) of the values whose products are added in the same int16, its own included.
 * Sixteen values lie as vpackssdw leaves their groups: 0 2 1 3. */
#define ACCUMULATED(name, operation)                                                                        \
  INLINE i16x16 name(i16x16 v, const int32_t depth) {                                                       \
    v = operation(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));  \
    if (depth > 1)                                                                                          \
      v = operation(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));\
    if (depth > 2)                                                                                          \
      v = operation(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));\
    return v;                                                                                               \
  }
#define ADD(a, b) ((a) + (b))
ACCUMULATED(accumulated_sum, ADD)
ACCUMULATED(accumulated_max, __builtin_elementwise_max)
#undef ADD
#undef ACCUMULATED

/* Whether no sum of products of these sixteen values can saturate: accumulated_sum of either sign is at most 127. */
INLINE int fits(__m256i a, const int32_t depth) {
  __m256i ones = _mm256_set1_epi16(1);
  __m256i positive = _mm256_max_epi16(a, _mm256_setzero_si256()), negative = _mm256_sub_epi16(positive, a);
  __m256i up = _mm256_madd_epi16(positive, ones), down = _mm256_madd_epi16(negative, ones);
  if (depth > 1) {
    up = _mm256_add_epi32(up, _mm256_shuffle_epi32(up, 0x4e));
    down = _mm256_add_epi32(down, _mm256_shuffle_epi32(down, 0x4e));
  }
  if (depth > 2) {
    up = _mm256_add_epi32(up, _mm256_permute4x64_epi64(up, 0x4e));
    down = _mm256_add_epi32(down, _mm256_permute4x64_epi64(down, 0x4e));
  }
  return !_mm256_movemask_epi8(_mm256_cmpgt_epi32(_mm256_max_epi32(up, down), _mm256_set1_epi32(127)));
}

/* How much of the largest of the values of one sign, given as magnitudes, has to be cut off. */
INLINE i16x16 excess(i16x16 side, const int32_t depth) {
  i16x16 over = __builtin_elementwise_max(accumulated_sum(side, depth) - 127, (i16x16){0});
  return (side == accumulated_max(side, depth)) & __builtin_elementwise_min(over, side);
}

/* Cuts values p ... p + 15 of row r until they fit, and appends what is cut off to the row's list. */
INLINE __m256i cut_off(char *panel, size_t rows, size_t r, size_t p, size_t k, __m256i values, const int32_t depth) {
  static const uint8_t place[LANES] = {0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15};
  row_header *header = (row_header *)panel + r;
  i16x16 a = (i16x16)values, cut = a;
  do {
    i16x16 positive = __builtin_elementwise_max(cut, (i16x16){0}), negative = positive - cut;
    cut += excess(negative, depth) - excess(positive, depth);
  } while (!fits((__m256i)cut, depth));
  i16x16 rest = a - cut;
  /* Two bits for each lane. */
  uint32_t left = ~(uint32_t)_mm256_movemask_epi8((__m256i)(rest == 0));
  uint16_t *places = SPLIT_PLACES(panel, rows, r, k) + header->count;
  int16_t *rests = SPLIT_RESTS(panel, rows, r, k) + header->count, each[LANES];
  header->count += (uint32_t)__builtin_popcount(left) / 2;
  memcpy(each, &rest, sizeof each);
  for (; left; left &= left - 1, left &= left - 1) {
    uint32_t i = (uint32_t)__builtin_ctz(left) / 2;
    *places++ = (uint16_t)(p + place[i]);
    *rests++ = each[i];
  }
  if (header->count % 2) *places = 0, *rests = 0;
  return (__m256i)cut;
}

/* A quantized value of 0 as a float whose low bits are q (quantize.h). */
#define STORED_ZERO MAGIC_BIAS

/* Stores q[p ... p + 15] of row r, given as floats q + STORED_ZERO, 0.0f beyond k, in runs and list. Returns what
 * stored_sum makes sum a of. */
INLINE u32x16 store_row16(char *panel, size_t rows, size_t r, size_t p, size_t k, size_t n, f32x16 q, int32_t offset,
                          const int32_t depth) {
  (void)n;
  i32x16 a = (i32x16)q - (MAGIC_BIAS_BITS + offset);
  __m256i cut = _mm256_packs_epi32((__m256i)LOW8(a), (__m256i)HIGH8(a));
  if (!fits(cut, depth)) cut = cut_off(panel, rows, r, p, k, cut, depth);
  cut = _mm256_packs_epi16(cut, cut);
  __m128i bytes = _mm_unpacklo_epi32(_mm256_castsi256_si128(cut), _mm256_extracti128_si256(cut, 1));
  memcpy(SPLIT_RUNS(panel, rows) + p * rows + r * ROW_RUN, &bytes, sizeof bytes);
  return (u32x16)a;
}

/* sum a, modulo 2^32, of the sum of all that store_row16 returned for a row of k. */
INLINE uint32_t stored_sum(u32x16 sum, size_t k) {
  (void)k;
  return __builtin_reduce_add(sum);
}

#endif
