/* Compiles avxvnni/kernels.c with its dot product of bytes written in AVX2, so that it runs on a CPU without AVX-VNNI.
 * Its tables get names of their own beside the real ones. */
#include "kernels_test_support.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* Exact: bytes become int16, whose products are added in pairs in int32. */
static inline __attribute__((always_inline, target("avx2"))) __m256i emulated_dot(__m256i sum, __m256i a, __m256i b) {
  __m256i even =
      _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(0xff)), _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
#define _mm256_dpbusd_avx_epi32 emulated_dot

/* With avxvnni in the file's attribute the compiler would find the instruction again. */
#define target(features) target("avx2,fma,f16c")

#define cloze_int8_kernels__avxvnni int8_kernels__emulated_avxvnni
#include "../../../Sources/CClozeKernels/avxvnni/kernels.c"

static int always(void) { return 1; }

extern const cloze_matrix_kernels cloze_float32_kernels__avx2;
extern const cloze_row_kernels cloze_row_kernels__avx2;
extern const cloze_training_kernels cloze_training_kernels__avx2;
extern const cloze_bfloat16_kernels cloze_bfloat16_kernels__avx2;

static const cloze_bfloat16_kernels *bfloat16(void) { return &cloze_bfloat16_kernels__avx2; }

const cloze_kernels *emulated_avxvnni(void) {
  static const cloze_kernels emulated = {"avxvnni, emulated",          always,
                                         &int8_kernels__emulated_avxvnni, &cloze_float32_kernels__avx2,
                                         &cloze_row_kernels__avx2,        &cloze_training_kernels__avx2,
                                         bfloat16};
  int runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  return runs ? &emulated : 0;
}

#else

const cloze_kernels *emulated_avxvnni(void) { return 0; }

#endif
