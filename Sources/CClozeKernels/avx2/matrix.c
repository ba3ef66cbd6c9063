/* Tiles of 6 x 16: twelve registers of sums, two of weights, one of activations, one of products. */
#if defined(__x86_64__)
#include "cloze_kernels.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define NAME(operator) cloze_##operator##__avx2
#define MR 6
#define NR 16
#define SPLIT_ROWS
#include "split_rows.h"
#include "../tiles/float_avx2.h"

/* The sum of each pair of int16. The ones that pairs are multiplied with stay in memory: twelve sums, two weights, an
 * activation and a product fill the sixteen registers, and the compiler would spill a sum for the ones. */
INLINE __m256i pairs_to_int32(__m256i pairs) {
  static const int16_t ones[16] __attribute__((aligned(32))) = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  __m256i sum;
  __asm__("vpmaddwd %2, %1, %0" : "=x"(sum) : "x"(pairs), "m"(ones));
  return sum;
}

/* c = a b for activations that are split (split_rows.h). A product takes three instructions for 32 multiplications:
 * bytes to int16 pairs, these to int32, and the sum. */
INLINE void split_tile_rows(const size_t rows, size_t k, const char *a, const char *b, int32_t *c) {
  const split_row *header = (const split_row *)a;
  const char *cut = a + rows * sizeof(split_row), *weights = b;
  __m256i sum[MR][2];
  for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_set1_epi32(header[r].start);
  for (size_t p = 0; p < k; p += 4, cut += rows * 4, b += 64) {
    __m256i w0 = _mm256_loadu_si256((const __m256i *)b), w1 = _mm256_loadu_si256((const __m256i *)(b + 32));
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, cut + r * 4, 4);
      __m256i x = _mm256_set1_epi32(four);
      sum[r][0] = _mm256_add_epi32(sum[r][0], pairs_to_int32(_mm256_maddubs_epi16(w0, x)));
      sum[r][1] = _mm256_add_epi32(sum[r][1], pairs_to_int32(_mm256_maddubs_epi16(w1, x)));
    }
  }
  __m256i byte = _mm256_set1_epi32(0xff);
  for (size_t r = 0; r < rows; r++) {
    const uint32_t *list = SPLIT_LIST(a, rows, r, k);
    for (size_t i = 0; i < header[r].count; i++) {
      uint32_t p = list[i] >> 16;
      __m128i shift = _mm_cvtsi32_si128((int32_t)(p % 4 * 8));
      __m256i rest = _mm256_set1_epi32((int32_t)(list[i] & 0xffff)); /* the other half of a pair is 0 */
      const __m256i *from = (const __m256i *)(weights + p / 4 * 64);
      __m256i w0 = _mm256_and_si256(_mm256_srl_epi32(_mm256_loadu_si256(from), shift), byte);
      __m256i w1 = _mm256_and_si256(_mm256_srl_epi32(_mm256_loadu_si256(from + 1), shift), byte);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(w0, rest));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(w1, rest));
    }
    _mm256_store_si256((__m256i *)(c + r * NR), sum[r][0]);
    _mm256_store_si256((__m256i *)(c + r * NR + 8), sum[r][1]);
  }
}

/* The same for activations of int16, as attention has them: its rows are short and spread over their whole range. */
INLINE void int16_rows(const size_t rows, size_t steps, const char *a, const char *b, int32_t *c) {
  __m256i sum[MR][2];
  for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  for (size_t p = 0; p < steps; p++, a += rows * 4, b += 32) {
    __m256i w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b));
    __m256i w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(b + 16)));
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      int32_t pair;
      memcpy(&pair, a + r * 4, 4);
      __m256i x = _mm256_set1_epi32(pair);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x, w0));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x, w1));
    }
  }
  for (size_t r = 0; r < rows; r++) {
    _mm256_store_si256((__m256i *)(c + r * NR), sum[r][0]);
    _mm256_store_si256((__m256i *)(c + r * NR + 8), sum[r][1]);
  }
}

static __attribute__((noinline)) void split_tile(size_t rows, size_t k, const char *a, const char *b, int32_t *c) {
#define CALL(n) split_tile_rows(n, k, a, b, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static __attribute__((noinline)) void int16_tile(size_t rows, size_t steps, const char *a, const char *b, int32_t *c) {
#define CALL(n) int16_rows(n, steps, a, b, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

#define ATTENTION_KR 2
#define attention_tile(rows, steps, start, a, b, next, c) ((void)(next), (void)(start), int16_tile(rows, steps, a, b, c))
#define tile(rows, k, a, b, next, c) ((void)(next), split_tile(rows, k, a, b, c))
#include "../lanes/int8.inc"
#undef tile
#define tile(rows, k, a, b, next, c) ((void)(next), float_tile(rows, k, a, b, c))
#include "../lanes/float32.inc"

#pragma clang attribute pop
#endif
