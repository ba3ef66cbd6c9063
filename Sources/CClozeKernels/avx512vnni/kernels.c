/* AVX-512 with dot products of bytes (VNNI). Tiles of 12 x 32: twenty-four registers of sums, two of weights, one of
 * activations. */
#if defined(__x86_64__)
#include <immintrin.h>

#define ISA avx512vnni
#include "../isa.h"

#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define MR 12
#define MEMORY_BOUND_INT8 24
#define MEMORY_BOUND_FLOAT 24
#define TILE_NR 32
#define ROW_RUN 16
#define ROW_BIAS 128 /* vpdpbusd multiplies unsigned weights by signed activations */
#include "../layout/byte_rows.h"
#define STEP_PRODUCT(sum, x, w) _mm512_fmadd_ps(x, w, sum)
#include "../tiles/float32_avx512.h"

/* c = correction + a b over groups of four bytes, one of a and b unsigned, the other signed; correction NULL for 0. */
INLINE void byte_product(const size_t rows, const int unsigned_columns, size_t steps, const int32_t *correction,
                         const char *a, const char *b, size_t next, const char *ahead, int32_t *c) {
  __m512i sum[MR][2];
  for (size_t r = 0; r < rows; r++)
    sum[r][0] = sum[r][1] = correction ? _mm512_set1_epi32(correction[r]) : _mm512_setzero_si512();
  EACH_STEP(steps, a, rows, b, 64) {
    if (unsigned_columns) prefetch(ahead), ahead += 64;
    __m512i w0 = _mm512_loadu_si512(b), w1 = _mm512_loadu_si512(b + next);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, a + r * ROW_RUN, 4);
      __m512i x = _mm512_set1_epi32(four);
      sum[r][0] = unsigned_columns ? _mm512_dpbusd_epi32(sum[r][0], w0, x) : _mm512_dpbusd_epi32(sum[r][0], x, w0);
      sum[r][1] = unsigned_columns ? _mm512_dpbusd_epi32(sum[r][1], w1, x) : _mm512_dpbusd_epi32(sum[r][1], x, w1);
    }
  }
  for (size_t r = 0; r < rows; r++) {
    _mm512_store_si512(c + r * TILE_NR, sum[r][0]);
    _mm512_store_si512(c + r * TILE_NR + 16, sum[r][1]);
  }
}

static NOINLINE void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead,
                               int32_t *c) {
#define CALL(n) byte_product(n, 1, (k + 3) / 4, (const int32_t *)a, a + n * sizeof(int32_t), b, next, ahead, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static NOINLINE void attention_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                                    size_t next, int32_t *c) {
  (void)correction;
#define CALL(n) byte_product(n, 0, steps, NULL, a, b, next, NULL, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

#include "../simd/zero_point_vnni.h"

#define ATTENTION_KR 4
#define ADD_PRODUCTS(sum, a, b) ((sum) + (i32x8)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#include "../operators/operators.inc"

#pragma clang attribute pop
#endif
