/* Before a kernels.c of AVX-512: its intrinsics from SIMDe, which are plain C, in place of the compiler's. */
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
