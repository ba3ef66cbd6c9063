/* Tiles of 12 x 32: twenty-four registers of sums, two of weights, one of activations. */
#if defined(__x86_64__)
#include "cloze_kernels.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), \
                             apply_to = function)

#define NAME(operator) cloze_##operator##__avx512vnni
#define MR 12
#define MEMORY_BOUND_INT8 24
#define MEMORY_BOUND_FLOAT 24
#define NR 32
#define ROW_GROUP 16
#define ROW_BIAS 128 /* weights are the unsigned side of vpdpbusd, activations the signed one */
#include "../lanes/groups.h"
#include "../tiles/row_counts.h"

/* c = start + a b over groups of four bytes. One of a and b is unsigned, the other signed. Unrolling the loop over p would
 * spill the sums. */
INLINE void bytes_rows(const size_t rows, const int unsigned_columns, size_t steps, const int32_t *start, const char *a,
                       const char *b, size_t next, const char *ahead, int32_t *c) {
  __m512i sum[MR][2];
  for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = start ? _mm512_set1_epi32(start[r]) : _mm512_setzero_si512();
  EACH_STEP(steps, a, rows, b, 64) {
    if (unsigned_columns) fetch(ahead), ahead += 64;
    __m512i w0 = _mm512_loadu_si512(b), w1 = _mm512_loadu_si512(b + next);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, a + r * ROW_GROUP, 4);
      __m512i x = _mm512_set1_epi32(four);
      sum[r][0] = unsigned_columns ? _mm512_dpbusd_epi32(sum[r][0], w0, x) : _mm512_dpbusd_epi32(sum[r][0], x, w0);
      sum[r][1] = unsigned_columns ? _mm512_dpbusd_epi32(sum[r][1], w1, x) : _mm512_dpbusd_epi32(sum[r][1], x, w1);
    }
  }
  for (size_t r = 0; r < rows; r++) {
    _mm512_store_si512(c + r * NR, sum[r][0]);
    _mm512_store_si512(c + r * NR + 16, sum[r][1]);
  }
}

INLINE void float_rows(const size_t rows, size_t k, const float *a, const float *b, size_t next, const float *ahead,
                       float *c) {
  __m512 sum[MR][2];
  for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
#pragma clang loop unroll(disable)
  for (size_t p = 0; p < k; p++, a += rows, b += 16, ahead += 16) {
    fetch(ahead);
    __m512 w0 = _mm512_loadu_ps(b), w1 = _mm512_loadu_ps(b + next);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      __m512 x = _mm512_set1_ps(a[r]);
      sum[r][0] = _mm512_fmadd_ps(x, w0, sum[r][0]);
      sum[r][1] = _mm512_fmadd_ps(x, w1, sum[r][1]);
    }
  }
  for (size_t r = 0; r < rows; r++) {
    _mm512_store_ps(c + r * NR, sum[r][0]);
    _mm512_store_ps(c + r * NR + 16, sum[r][1]);
  }
}

/* Activations with their starts, times weights. */
static __attribute__((noinline)) void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next,
                                                const char *ahead, int32_t *c) {
#define CALL(n) bytes_rows(n, 1, (k + 3) / 4, (const int32_t *)a, a + n * sizeof(int32_t), b, next, ahead, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static __attribute__((noinline)) void attention_bytes(size_t rows, size_t steps, const char *a, const char *b, size_t next,
                                                      int32_t *c) {
#define CALL(n) bytes_rows(n, 0, steps, NULL, a, b, next, NULL, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static __attribute__((noinline)) void float_tile(size_t rows, size_t k, const float *a, const float *b, size_t next,
                                                 const float *ahead, float *c) {
#define CALL(n) float_rows(n, k, a, b, next, ahead, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

/* product - offset sum in one instruction, where a product of int32 takes two: with -sum = 256 high + low, it adds two
 * products of int16, low offset and high 256 offset. |sum| <= 2^23 and -128 <= offset < 128. */
#define KEPT_ZERO(offset) ((int32_t)((uint32_t)(offset) << 24 | (uint16_t)(offset)))

INLINE i32x16 OF_SUMS(i32x16 sums) {
  i32x16 high = __builtin_elementwise_min(-sums >> 8, (i32x16){0} + INT16_MAX);
  return (i32x16)((u32x16)high << 16) | (-sums - high * 256);
}

INLINE i32x16 LESS_ZERO(i32x16 product, i32x16 sums, int32_t kept) {
  return (i32x16)_mm512_dpwssd_epi32((__m512i)product, (__m512i)sums, _mm512_set1_epi32(kept));
}

#define ATTENTION_KR 4
#define attention_tile(rows, steps, start, a, b, next, c) ((void)(start), attention_bytes(rows, steps, a, b, next, c))
#define tile int8_tile
#include "../lanes/int8.inc"
#undef tile
#define tile float_tile
#include "../lanes/float32.inc"

#pragma clang attribute pop
#endif
