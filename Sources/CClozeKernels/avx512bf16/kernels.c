/* Products in bfloat16 with dot products of pairs (AVX-512 BF16), of operands that avx512vnni packs. Tiles of 12 x 32,
 * as there. */
#if defined(__x86_64__)
#include <immintrin.h>

#define ISA avx512bf16
#include "../isa.h"

#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define MR 12
#define TILE_NR 32
#define FLOATS_ALONE
#define FLOAT_KR 2
#define STEP_PRODUCT(sum, x, w) _mm512_dpbf16_ps(sum, (__m512bh)(x), (__m512bh)(w))
#include "../layout/panels.h"
#include "../simd/bfloat16.h"
#include "../tiles/float32_avx512.h"
#include "../operators/training_product.inc"

/* Rounds a panel [k, width] and joins its steps in pairs. Of a pair, vdpbf16ps first adds the product of the upper
 * halves to the sum, then that of the lower ones, each by an fma (Intel 64 and IA-32 Architectures Software Developer's
 * Manual, volume 2). With the earlier step in the upper half, a sum is the same chain as in float32. Where k is odd,
 * the last lower half is 0. `to` may be `panel`, or lie before it. */
INLINE void join_pairs(const float *panel, size_t width, size_t k, uint32_t *to) {
  __mmask16 lanes = (__mmask16)((1u << width) - 1);
  for (size_t p = 0; p < k; p += 2, panel += 2 * width, to += width) {
    __mmask16 later = p + 1 < k ? lanes : 0;
    u32x16 high = bfloat16_bits16((f32x16)_mm512_maskz_loadu_ps(lanes, panel));
    u32x16 low = bfloat16_bits16((f32x16)_mm512_maskz_loadu_ps(later, panel + width));
    _mm512_mask_storeu_epi32(to, lanes, (__m512i)(high | low >> 16));
  }
}

static void NAME(round_rows)(cloze_packed_rows rows, size_t m, size_t k) {
  const float *panel = rows.panels;
  uint32_t *to = rows.panels;
  for (size_t i = 0, count; i < m; i += count, panel += count * k, to += count * FLOAT_STEPS(k)) {
    count = panel_rows(m - i);
    join_pairs(panel, count, k, to);
  }
}

static void NAME(round_columns)(const float *panel, size_t k, void *to) { join_pairs(panel, NR, k, to); }

const cloze_bfloat16_kernels NAME(bfloat16_kernels) = {
    .kr = FLOAT_KR,
    .round_rows = NAME(round_rows),
    .round_columns = NAME(round_columns),
    .multiply = NAME(training_multiply),
};

#pragma clang attribute pop
#endif
