/* AVX2 with VEX-encoded dot products of bytes (AVX-VNNI). Tiles of 6 x 16: twelve registers of sums, two of weights,
 * one of activations. */
#if defined(__x86_64__)
#include <immintrin.h>

#define ISA avxvnni
#include "../isa.h"

#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define MR 6
#define MEMORY_BOUND_INT8 16
#define INT8_ALONE
#define TILE_NR 16
#define ROW_RUN 16
#define ROW_BIAS 128 /* vpdpbusd multiplies unsigned weights by signed activations */
#include "../layout/byte_rows.h"
#include "../tiles/row_counts.h"
#include "../tiles/tile.h"

/* c = correction + a b over groups of four bytes, one of a and b unsigned, the other signed; correction NULL for 0. */
INLINE void byte_product(const size_t rows, const int unsigned_columns, size_t steps, const int32_t *correction,
                         const char *a, const char *b, const char *ahead, int32_t *c) {
  __m256i sum[MR][2];
  for (size_t r = 0; r < rows; r++)
    sum[r][0] = sum[r][1] = correction ? _mm256_set1_epi32(correction[r]) : _mm256_setzero_si256();
  EACH_STEP(steps, a, rows, b, 64) {
    if (unsigned_columns) prefetch(ahead), ahead += 32;
    __m256i w0 = _mm256_loadu_si256((const __m256i *)b), w1 = _mm256_loadu_si256((const __m256i *)(b + 32));
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, a + r * ROW_RUN, 4);
      __m256i x = _mm256_set1_epi32(four);
      if (unsigned_columns) {
        sum[r][0] = _mm256_dpbusd_avx_epi32(sum[r][0], w0, x);
        sum[r][1] = _mm256_dpbusd_avx_epi32(sum[r][1], w1, x);
      } else {
        sum[r][0] = _mm256_dpbusd_avx_epi32(sum[r][0], x, w0);
        sum[r][1] = _mm256_dpbusd_avx_epi32(sum[r][1], x, w1);
      }
    }
  }
  for (size_t r = 0; r < rows; r++) {
    _mm256_store_si256((__m256i *)(c + r * NR), sum[r][0]);
    _mm256_store_si256((__m256i *)(c + r * NR + 8), sum[r][1]);
  }
}

static NOINLINE void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead,
                               int32_t *c) {
  (void)next;
#define CALL(n) byte_product(n, 1, (k + 3) / 4, (const int32_t *)a, a + n * sizeof(int32_t), b, ahead, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static NOINLINE void attention_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                                    size_t next, int32_t *c) {
  (void)correction, (void)next;
#define CALL(n) byte_product(n, 0, steps, NULL, a, b, NULL, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

#define ATTENTION_KR 4
#include "../operators/operators.inc"

#pragma clang attribute pop
#endif
