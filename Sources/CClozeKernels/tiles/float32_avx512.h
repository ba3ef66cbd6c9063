/* float_tile of 12 x 32 for 512-bit registers: twenty-four of sums, two of weights, one of activations. A step takes
 * four bytes of each row and column, a float or a pair of bfloat16: STEP_PRODUCT(sum, x, w) is sum + x w. Include
 * inside the file's `#pragma clang attribute push`. */
#include "row_counts.h"
#include "tile.h"

INLINE void float_product(const size_t rows, size_t steps, const float *a, const float *b, size_t next,
                          const float *ahead, float *c) {
  __m512 sum[MR][2];
  for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
#pragma clang loop unroll(disable)
  for (size_t p = 0; p < steps; p++, a += rows, b += 16, ahead += 16) {
    prefetch(ahead);
    __m512 w0 = _mm512_loadu_ps(b), w1 = _mm512_loadu_ps(b + next);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      __m512 x = _mm512_set1_ps(a[r]);
      sum[r][0] = STEP_PRODUCT(sum[r][0], x, w0);
      sum[r][1] = STEP_PRODUCT(sum[r][1], x, w1);
    }
  }
  for (size_t r = 0; r < rows; r++) {
    _mm512_store_ps(c + r * TILE_NR, sum[r][0]);
    _mm512_store_ps(c + r * TILE_NR + 16, sum[r][1]);
  }
}

static NOINLINE void float_tile(size_t rows, size_t steps, const float *a, const float *b, size_t next,
                                const float *ahead, float *c) {
#define CALL(n) float_product(n, steps, a, b, next, ahead, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}
