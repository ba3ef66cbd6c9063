/* float_tile of 6 x 16 for 256-bit registers: twelve of sums, two of weights, one of activations. Include inside the
 * file's `#pragma clang attribute push`. */
#include "row_counts.h"
#include "tile.h"

INLINE void float_step(const size_t rows, const float *a, const float *b, __m256 sum[MR][2]) {
  __m256 w0 = _mm256_loadu_ps(b), w1 = _mm256_loadu_ps(b + 8);
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
    __m256 x = _mm256_broadcast_ss(a + r);
    sum[r][0] = _mm256_fmadd_ps(x, w0, sum[r][0]);
    sum[r][1] = _mm256_fmadd_ps(x, w1, sum[r][1]);
  }
}

/* Four steps at a time: a twentieth faster, as of each step's instructions a fifth are not arithmetic. */
INLINE void float_product(const size_t rows, size_t k, const float *a, const float *b, const float *ahead, float *c) {
  __m256 sum[MR][2];
  for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  for (; k >= 4; k -= 4, a += 4 * rows, b += 4 * NR, ahead += 2 * NR) {
    prefetch(ahead);
    prefetch(ahead + NR);
#pragma clang loop unroll(full)
    for (size_t p = 0; p < 4; p++) float_step(rows, a + p * rows, b + p * NR, sum);
  }
  for (; k; k--, a += rows, b += NR) float_step(rows, a, b, sum);
  for (size_t r = 0; r < rows; r++) {
    _mm256_store_ps(c + r * NR, sum[r][0]);
    _mm256_store_ps(c + r * NR + 8, sum[r][1]);
  }
}

static NOINLINE void float_tile(size_t rows, size_t k, const float *a, const float *b, size_t next, const float *ahead,
                                float *c) {
  (void)next;
#define CALL(n) float_product(n, k, a, b, ahead, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}
