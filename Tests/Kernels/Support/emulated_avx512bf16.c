/* Compiles avx512bf16/kernels.c with intrinsics that are plain C, as emulated_avx512vnni.c does. */
#include "kernels_test_support.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include <math.h>
#include <string.h>

#include "simde_avx512.h"

static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

/* sum + x w of one bfloat16 each, as vdpbf16ps adds it: an fma to which denormals are 0, and that gives 0 for them. */
static float added(float sum, uint32_t x, uint32_t w) {
  float a, b;
  memcpy(&a, &x, 4);
  memcpy(&b, &w, 4);
  return flushed(fmaf(flushed(a), flushed(b), flushed(sum)));
}

/* VDPBF16PS, Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: upper halves first. SIMDe has
 * another order, and rounds products. */
static inline __m512 dot_product_of_pairs(__m512 sum, __m512 x, __m512 w) {
  for (int i = 0; i < 16; i++) {
    uint32_t a = ((uint32_t *)&x)[i], b = ((uint32_t *)&w)[i];
    float upper = added(((float *)&sum)[i], a & 0xffff0000, b & 0xffff0000);
    ((float *)&sum)[i] = added(upper, a << 16, b << 16);
  }
  return sum;
}

/* What SIMDe 0.7 lacks. */
static inline __m512 loaded_lanes(uint32_t lanes, const float *from) {
  float values[16];
  for (int i = 0; i < 16; i++) values[i] = lanes >> i & 1 ? from[i] : 0;
  return _mm512_loadu_ps(values);
}
static inline void store_lanes(void *to, uint32_t lanes, __m512i v) {
  for (int i = 0; i < 16; i++)
    if (lanes >> i & 1) memcpy((char *)to + 4 * i, (char *)&v + 4 * i, 4);
}

#define __mmask16 uint32_t
#define _mm512_maskz_loadu_ps loaded_lanes
#define _mm512_mask_storeu_epi32 store_lanes
#undef _mm512_dpbf16_ps
#define _mm512_dpbf16_ps dot_product_of_pairs
#define __m512bh __m512

#define cloze_bfloat16_kernels__avx512bf16 bfloat16_kernels__emulated
#include "../../../Sources/CClozeKernels/avx512bf16/kernels.c"

const cloze_bfloat16_kernels *emulated_avx512bf16(void) { return &bfloat16_kernels__emulated; }

#else

const cloze_bfloat16_kernels *emulated_avx512bf16(void) { return 0; }

#endif
