#include "cloze_benchmark.h"

#include <stddef.h>

/* Twelve sums, as many as hide the latency of every step below; the compiler must neither keep a step out of the loop
 * nor combine two: the sums pass through an empty asm. */
#define SUMS 12
#define LOOP(name, isa, vector, operand, step)                                                                        \
  __attribute__((target(isa))) static void name(int64_t passes) {                                                     \
    vector sum[SUMS] = {{0}};                                                                                         \
    operand x = {0}, y = {0};                                                                                         \
    KEEP(x);                                                                                                          \
    KEEP(y);                                                                                                          \
    for (int64_t pass = 0; pass < passes; pass++) _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) { \
        sum[i] = step;                                                                                                \
        KEEP(sum[i]);                                                                                                 \
      }                                                                                                               \
  }

#if defined(__x86_64__)
#include <immintrin.h>

#define KEEP(v) __asm__ volatile("" : "+x"(v))

LOOP(dpbusd_512, "avx512f,avx512vnni", __m512i, __m512i, _mm512_dpbusd_epi32(sum[i], x, y))
LOOP(dpbusd_256, "avx2,avxvnni", __m256i, __m256i, _mm256_dpbusd_avx_epi32(sum[i], x, y))
LOOP(fma_512, "avx512f", __m512, __m512, _mm512_fmadd_ps(x, y, sum[i]))
LOOP(fma_256, "avx2,fma", __m256, __m256, _mm256_fmadd_ps(x, y, sum[i]))

/* Three instructions; the product of each sum is one of its own, so that none is computed once for all. */
__attribute__((target("avx2"))) static void maddubs(int64_t passes) {
  __m256i sum[SUMS], x = _mm256_setzero_si256(), y = x, ones = _mm256_set1_epi16(1);
  for (int i = 0; i < SUMS; i++) sum[i] = x;
  KEEP(y);
  KEEP(ones);
  for (int64_t pass = 0; pass < passes; pass++)
#pragma clang loop unroll(full)
    for (int i = 0; i < SUMS; i++) {
      KEEP(x);
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones));
      KEEP(sum[i]);
    }
}

/* Products in turn into four tiles of sums, as many as a matrix product has room for. */
__attribute__((target("amx-int8"))) static void amx(int64_t passes) {
  struct {
    uint8_t palette, reserved[15];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } sizes = {.palette = 1};
  for (int i = 0; i < 6; i++) sizes.row_bytes[i] = 64, sizes.rows[i] = 16;
  _tile_loadconfig(&sizes);
  for (int64_t pass = 0; pass < passes; pass++) {
    _tile_dpbsud(0, 4, 5);
    _tile_dpbsud(1, 4, 5);
    _tile_dpbsud(2, 4, 5);
    _tile_dpbsud(3, 4, 5);
  }
  _tile_release();
}

static const cloze_limit limits[] = {
    {"avx512amx", "tdpbsud", 0, 4 * 2 * 16 * 16 * 64, amx},
    {"avx512amx", "vfmadd zmm", 1, SUMS * 32, fma_512},
    {"avx512vnni", "vpdpbusd zmm", 0, SUMS * 128, dpbusd_512},
    {"avx512vnni", "vfmadd zmm", 1, SUMS * 32, fma_512},
    {"avxvnni", "vpdpbusd ymm", 0, SUMS * 64, dpbusd_256},
    {"avxvnni", "vfmadd ymm", 1, SUMS * 16, fma_256},
    {"avx2", "vpmaddubsw, vpmaddwd, vpaddd ymm", 0, SUMS * 64, maddubs},
    {"avx2", "vfmadd ymm", 1, SUMS * 16, fma_256},
};

#elif defined(__aarch64__)
#include <arm_neon.h>

#define KEEP(v) __asm__ volatile("" : "+w"(v))

LOOP(udot, "dotprod", uint32x4_t, uint8x16_t, vdotq_u32(sum[i], x, y))
LOOP(ummla, "i8mm", uint32x4_t, uint8x16_t, vmmlaq_u32(sum[i], x, y))
LOOP(fmla, "neon", float32x4_t, float32x4_t, vfmaq_f32(sum[i], x, y))

static const cloze_limit limits[] = {
    {"neoni8mm", "ummla", 0, SUMS * 64, ummla},
    {"neoni8mm", "fmla", 1, SUMS * 8, fmla},
    {"neondot", "udot", 0, SUMS * 32, udot},
    {"neondot", "fmla", 1, SUMS * 8, fmla},
};
#else
static const cloze_limit limits[] = {{"", "", 0, 0, NULL}};
#endif

const cloze_limit *cloze_limits(int32_t *count) {
  *count = (int32_t)(sizeof limits / sizeof *limits);
  return limits;
}
