/* float_tile of 12 x 16 for NEON. More than six rows take two passes of 8 columns: 24 registers of sums, two of
 * weights, three of activations. Include inside the file's `#pragma clang attribute push`. */
#include <arm_neon.h>

#include "row_counts.h"
#include "tile.h"

/* Columns of a pass. */
#define PASS_COLUMNS(rows) ((rows) > 6 ? 8 : 16)

/* Lane r of up to three vectors, broadcast; the compiler makes it the by-element operand of fmla and udot. */
#define LANE(type, x, r) \
  ((type){(x)[(r) / 4][(r) % 4], (x)[(r) / 4][(r) % 4], (x)[(r) / 4][(r) % 4], (x)[(r) / 4][(r) % 4]})

/* Loads `rows` elements of four bytes, and reads no byte more. */
INLINE void load_lanes(const size_t rows, const char *a, uint32x4_t x[3]) {
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r += 4, a += 16) {
    if (rows - r >= 4) x[r / 4] = vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)a));
    else {
      uint32x2_t low = rows - r == 1 ? vdup_n_u32(0) : vreinterpret_u32_u8(vld1_u8((const uint8_t *)a));
      if (rows - r != 2) {
        uint32_t last;
        memcpy(&last, a + (rows - r - 1) * 4, 4);
        x[r / 4] = rows - r == 1 ? vdupq_n_u32(last) : vcombine_u32(low, vdup_n_u32(last));
      } else x[r / 4] = vcombine_u32(low, low);
    }
  }
}

INLINE void float_pass(const size_t rows, size_t k, const float *a, const float *b, float *c) {
  float32x4_t sum[MR][4];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < PASS_COLUMNS(rows) / 4; j++) sum[r][j] = vdupq_n_f32(0);
#pragma clang loop unroll(disable)
  for (size_t p = 0; p < k; p++, a += rows, b += NR) {
    uint32x4_t x[3];
    float32x4_t w[4];
    load_lanes(rows, (const char *)a, x);
    for (size_t j = 0; j < PASS_COLUMNS(rows) / 4; j++) w[j] = vld1q_f32(b + 4 * j);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++)
      for (size_t j = 0; j < PASS_COLUMNS(rows) / 4; j++)
        sum[r][j] = vfmaq_f32(sum[r][j], w[j], vreinterpretq_f32_u32(LANE(uint32x4_t, x, r)));
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < PASS_COLUMNS(rows) / 4; j++) vst1q_f32(c + r * NR + 4 * j, sum[r][j]);
}

static NOINLINE void float_tile(size_t rows, size_t k, const float *a, const float *b, size_t next, const float *ahead,
                                float *c) {
  (void)next, (void)ahead;
#define CALL(n) \
  for (size_t j = 0; j < NR; j += PASS_COLUMNS(n)) float_pass(n, k, a, b + j, c + j)
  EACH_ROW_COUNT(CALL)
#undef CALL
}
