/* AVX2. Tiles of 6 x 16: twelve registers of sums, two of weights, one of activations, one of products.
 * int8_tile is 6 x 32, in passes of eight columns, with activations split (layout/split_rows.h). */
#if defined(__x86_64__)
#include <immintrin.h>

#define ISA avx2
#include "../isa.h"

#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define MR 6
#define MEMORY_BOUND_INT8 16
#define MEMORY_BOUND_FLOAT 24
#define TILE_NR 16
#define DENSE_TILE_NR 32    /* two panels share the walk through the lists of rests */
#define PREFETCH_MIN_ROWS 4 /* int8_tile reads each cache line of weights twice: memory is idle even with one panel */
#define ROW_RUN 16
#include "../layout/split_rows.h"
#include "../tiles/float32_avx2.h"

/* sum += cut b of eight columns, over `depth` groups whose products are added in int16. */
INLINE void cut_groups(const size_t rows, const size_t depth, const char *a, const char *b, __m256i sum[MR]) {
  const __m256i ones = _mm256_set1_epi16(1);
  const size_t apart = 4 / depth;
  __m256i w[4];
  for (size_t g = 0; g < depth; g++) w[g] = _mm256_loadu_si256((const __m256i *)(b + g * apart * 64));
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++) {
    __m256i pairs = _mm256_setzero_si256();
    for (size_t g = 0; g < depth; g++) {
      int32_t four;
      memcpy(&four, a + r * ROW_RUN + g * apart * 4, 4);
      __m256i product = _mm256_maddubs_epi16(w[g], _mm256_set1_epi32(four));
      pairs = g ? _mm256_add_epi16(pairs, product) : product;
    }
    sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(pairs, ones));
  }
}

/* c = sum_correction + cut b of eight columns. */
INLINE void cut_pass(const size_t rows, const size_t depth, size_t steps, const char *a, const char *b,
                     const char *ahead, int32_t *c) {
  const row_header *header = (const row_header *)a;
  const char *groups = SPLIT_RUNS(a, rows);
  __m256i sum[MR];
  for (size_t r = 0; r < rows; r++) sum[r] = _mm256_set1_epi32(header[r].sum_correction);
  for (; steps >= 4; steps -= 4, groups += rows * ROW_RUN, b += 256, ahead += 64) {
    prefetch(ahead);
    for (size_t g = 0; g < 4 / depth; g++) cut_groups(rows, depth, groups + g * 4, b + g * 64, sum);
  }
  for (; steps; steps--, groups += 4, b += 64) cut_groups(rows, 1, groups, b, sum);
  for (size_t r = 0; r < rows; r++) _mm256_store_si256((__m256i *)(c + r * DENSE_TILE_NR), sum[r]);
}

/* c += rest b of one row, two entries of its list at a time. */
static void add_rests(uint32_t count, const uint16_t *places, const int16_t *rests, const char *b, size_t next,
                      int32_t *c) {
#define NONE (char)0x80
#define LOW(i) {i, NONE, NONE, NONE, 4 + i, NONE, NONE, NONE, 8 + i, NONE, NONE, NONE, 12 + i, NONE, NONE, NONE}
#define HIGH(i) {NONE, NONE, i, NONE, NONE, NONE, 4 + i, NONE, NONE, NONE, 8 + i, NONE, NONE, NONE, 12 + i, NONE}
  /* Shuffles that bring byte i of each column's group to the low, or the high, half of an int32. */
  static const char low[4][16] __attribute__((aligned(16))) = {LOW(0), LOW(1), LOW(2), LOW(3)};
  static const char high[4][16] __attribute__((aligned(16))) = {HIGH(0), HIGH(1), HIGH(2), HIGH(3)};
#undef NONE
#undef LOW
#undef HIGH
  __m256i sum[DENSE_TILE_NR / 8];
  for (size_t j = 0; j < DENSE_TILE_NR / 8; j++) sum[j] = _mm256_load_si256((__m256i *)c + j);
  for (uint32_t i = 0; i < count; i += 2) {
    const char *w = b + places[i] / 4 * 64, *v = b + places[i + 1] / 4 * 64;
    __m256i first = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)low[places[i] % 4]));
    __m256i second = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)high[places[i + 1] % 4]));
    int32_t two;
    memcpy(&two, rests + i, sizeof two);
    __m256i rest = _mm256_set1_epi32(two);
#pragma clang loop unroll(full)
    for (size_t j = 0; j < DENSE_TILE_NR / 8; j++) {
      size_t at = j / 2 * next + j % 2 * 32;
      __m256i both = _mm256_or_si256(_mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(w + at)), first),
                                     _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(v + at)), second));
      sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(both, rest));
    }
  }
  for (size_t j = 0; j < DENSE_TILE_NR / 8; j++) _mm256_store_si256((__m256i *)c + j, sum[j]);
}

/* c = a b: cut values, then rests. */
INLINE void split_product(const size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead,
                          int32_t *c) {
  const row_header *header = (const row_header *)a;
  size_t steps = (k + 3) / 4;
  for (size_t j = 0; j < DENSE_TILE_NR; j += 8) {
    const char *eight = b + j / NR * next + j % NR * 4, *later = ahead + j * k / 2;
    switch (header->depth) {
      case 4: cut_pass(rows, 4, steps, a, eight, later, c + j); break;
      case 2: cut_pass(rows, 2, steps, a, eight, later, c + j); break;
      default: cut_pass(rows, 1, steps, a, eight, later, c + j);
    }
  }
  for (size_t r = 0; r < rows; r++)
    if (header[r].count)
      add_rests(header[r].count, SPLIT_PLACES(a, rows, r, k), SPLIT_RESTS(a, rows, r, k), b, next,
                c + r * DENSE_TILE_NR);
}

/* c = a b with a in int16, for attention: its rows are short and spread over their whole range, and would be split
 * often. */
INLINE void int16_product(const size_t rows, size_t steps, const char *a, const char *b, int32_t *c) {
  __m256i sum[MR][2];
  for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  EACH_STEP(steps, a, rows, b, 32) {
    __m256i w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b));
    __m256i w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(b + 16)));
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++) {
      int32_t pair;
      memcpy(&pair, a + r * ROW_RUN, 4);
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

static NOINLINE void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead,
                               int32_t *c) {
#define CALL(n) split_product(n, k, a, b, next, ahead, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static NOINLINE void attention_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                                    size_t next, int32_t *c) {
  (void)correction, (void)next;
#define CALL(n) int16_product(n, steps, a, b, c)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

#define ATTENTION_KR 2
#define ADD_PRODUCTS(sum, a, b) ((sum) + (i32x8)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#include "../operators/operators.inc"

#pragma clang attribute pop
#endif
