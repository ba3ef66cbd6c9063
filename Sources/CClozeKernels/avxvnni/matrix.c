/* AVX2 with the dot products of bytes in its own encoding. Tiles of 6 x 16: twelve registers of sums, two of weights,
 * one of activations. */
#if defined(__x86_64__)
#include "cloze_kernels.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)

#define NAME(operator) cloze_##operator##__avxvnni
#define MR 6
#define MEMORY_BOUND_INT8 16
#define MEMORY_BOUND_FLOAT 24
#define NR 16
#define ROW_GROUP 16
#define ROW_BIAS 128 /* weights are the unsigned side of vpdpbusd, activations the signed one */
#include "../lanes/groups.h"
#include "../tiles/float_avx2.h"

/* c = start + a b over groups of four bytes. One of a and b is unsigned, the other signed. */
INLINE void bytes_rows(const size_t rows, const int unsigned_columns, size_t steps, const int32_t *start, const char *a,
                       const char *b, const char *ahead, int32_t *c) {
  __m256i sum[MR][2];
  for (size_t r = 0; r < rows; r++)
    sum[r][0] = sum[r][1] = start ? _mm256_set1_epi32(start[r]) : _mm256_setzero_si256();
  EACH_STEP(steps, a, rows, b, 64) {
    if (unsigned_columns) fetch(ahead), ahead += 32;
    __m256i w0 = _mm256_loadu_si256((const __m256i *)b), w1 = _mm256_loadu_si256((const __m256i *)(b + 32));
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, a + r * ROW_GROUP, 4);
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

/* Activations with their starts, times weights. */
static __attribute__((noinline)) void int8_tile(size_t rows, size_t k, const char *a, const char *b,
                                                const char *ahead, int32_t *c) {
#define CALL(n) bytes_rows(n, 1, (k + 3) / 4, (const int32_t *)a, a + n * sizeof(int32_t), b, ahead, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static __attribute__((noinline)) void attention_bytes(size_t rows, size_t steps, const char *a, const char *b,
                                                      int32_t *c) {
#define CALL(n) bytes_rows(n, 0, steps, NULL, a, b, NULL, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

#define ATTENTION_KR 4
#define attention_tile(rows, steps, start, a, b, next, c) \
  ((void)(next), (void)(start), attention_bytes(rows, steps, a, b, c))
#define tile(rows, k, a, b, next, ahead, c) ((void)(next), int8_tile(rows, k, a, b, ahead, c))
#include "../lanes/int8.inc"
#undef tile
#define tile(rows, k, a, b, next, ahead, c) ((void)(next), float_tile(rows, k, a, b, ahead, c))
#include "../lanes/float32.inc"

#pragma clang attribute pop
#endif
