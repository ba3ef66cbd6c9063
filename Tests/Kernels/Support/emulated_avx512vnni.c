/* Compiles avx512vnni/kernels.c with intrinsics from SIMDe that are plain C, so that its packing, tiles and tails run
 * on a CPU without AVX-512. Its tables get names of their own beside the real ones. */
#include "kernels_test_support.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include "simde_avx512.h"

#define cloze_int8_kernels__avx512vnni int8_kernels__emulated
#define cloze_float32_kernels__avx512vnni float32_kernels__emulated
#define cloze_row_kernels__avx512vnni row_kernels__emulated
#define cloze_training_kernels__avx512vnni training_kernels__emulated
#define cloze_bfloat16_kernels__avx512vnni bfloat16_kernels__emulated_in_float32
#include "../../../Sources/CClozeKernels/avx512vnni/kernels.c"

static int always(void) { return 1; }

extern const cloze_row_kernels cloze_row_kernels__scalar;

const cloze_kernels *emulated_avx512vnni(void) {
  static const cloze_kernels emulated = {
      "avx512vnni, emulated",     always, &int8_kernels__emulated, &float32_kernels__emulated,
      &cloze_row_kernels__scalar, &training_kernels__emulated, emulated_avx512bf16};
  return &emulated;
}

#else

const cloze_kernels *emulated_avx512vnni(void) { return 0; }

#endif
