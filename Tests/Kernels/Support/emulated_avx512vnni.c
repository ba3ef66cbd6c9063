/* Compiles avx512vnni/kernels.c with intrinsics from SIMDe that are plain C, so that its packing, tiles and tails run
 * on a CPU without AVX-512. Its tables get names of their own beside the real ones. */
#include "kernels_test_support.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang diagnostic ignored "-Wunknown-attributes"

/* SIMDe 0.7 gives this type of newer compilers another definition. */
#include <emmintrin.h>
#define __m128bh simde_renamed_m128bh
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
/* SIMDe rounds between the product and the sum. */
#undef _mm512_fmadd_ps
static inline __m512 fused_multiply_add(__m512 a, __m512 b, __m512 c) {
  for (int i = 0; i < 16; i++) ((float *)&c)[i] = __builtin_fmaf(((float *)&a)[i], ((float *)&b)[i], ((float *)&c)[i]);
  return c;
}
#define _mm512_fmadd_ps fused_multiply_add

/* The compiler's own header counts as included. */
#define __IMMINTRIN_H
/* The real target in the file's attribute would bring real instructions. */
#define target(features) annotate("emulated")

#define cloze_int8_kernels__avx512vnni int8_kernels__emulated
#define cloze_float32_kernels__avx512vnni float32_kernels__emulated
#define cloze_row_kernels__avx512vnni row_kernels__emulated
#define cloze_training_kernels__avx512vnni training_kernels__emulated
#include "../../../Sources/CClozeKernels/avx512vnni/kernels.c"

static int always(void) { return 1; }

extern const cloze_row_kernels cloze_row_kernels__scalar;

const cloze_kernels *emulated_avx512vnni(void) {
  static const cloze_kernels emulated = {
      "avx512vnni, emulated",     always, &int8_kernels__emulated, &float32_kernels__emulated,
      &cloze_row_kernels__scalar, &training_kernels__emulated};
  return &emulated;
}

#else

const cloze_kernels *emulated_avx512vnni(void) { return 0; }

#endif
