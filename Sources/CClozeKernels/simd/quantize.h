/* Rounding to 8 bits, sixteen lanes at a time: scales, and floats whose low bits are the rounded value. */
#ifndef CLOZE_QUANTIZE_H
#define CLOZE_QUANTIZE_H

#include "vec16.h"

/* The magic bias 1.5 * 2^23: added to a float of magnitude below 2^22, it leaves the nearest integer (ties to even) in
 * the low bits of the sum. In one fma that is scaling, adding a zero point and rounding, without rounding in between:
 *
 *   bits of fma(x, inverse_scale, MAGIC_BIAS + zero_point) = MAGIC_BIAS_BITS + round(x inverse_scale + zero_point) */
#define MAGIC_BIAS 12582912.0f
#define MAGIC_BIAS_BITS 0x4b400000

/* A quantized value plus MAGIC_BIAS_BITS: the low byte or int16 is stored. Sums of such values are exact modulo 2^32;
 * quantized_sum takes off what the bias of all `count` summands adds. */
INLINE u32x16 quantize16(f32x16 x, f32x16 inverse_scale, float zero_point) {
  return (u32x16)fma16(x, inverse_scale, splat(MAGIC_BIAS + zero_point));
}
INLINE int32_t quantized_sum(u32x16 sum, size_t count) {
  return (int32_t)(__builtin_reduce_add(sum) - (uint32_t)count * MAGIC_BIAS_BITS);
}

/* The largest magnitude (or range, where a row is asymmetric) that counts as zero and gets scale 1.
 *
 * A scale has to be a normal float, as a denormal one has fewer digits and an inverse that may overflow: max / 127 >=
 * 2^-126 for max >= 1.5e-36. WEIGHT_FLOOR is that, rounded up to a power of ten: weights may be multiplied by anything.
 * Activations that small are the rounding errors of zero, next to what LayerNorm makes of any row, and have a higher
 * floor. The two are not made equal, as that would change the bits of rows between them. */
#define WEIGHT_FLOOR 1e-35f
#define ACTIVATION_FLOOR 1e-30f

/* The scale of symmetric s8, max / 127, or 1 where max is at most `floor`, and its inverse. */
INLINE float symmetric_scale(float max, float floor, float *inverse_scale) {
  float scale = max > floor ? max / 127.0f : 1.0f;
  *inverse_scale = 1.0f / scale;
  return scale;
}
INLINE f32x16 symmetric_scale16(f32x16 max, float floor, f32x16 *inverse_scale) {
  f32x16 scale = select16(max > splat(floor), max / splat(127.0f), splat(1.0f));
  *inverse_scale = splat(1.0f) / scale;
  return scale;
}

/* round(x inverse_scale) in -127 ... 127, ties to even, for x of any size. */
INLINE i32x16 quantize_symmetric16(f32x16 x, f32x16 inverse_scale) {
  return to_i32(max16(min16(round16(x * inverse_scale), splat(127.0f)), splat(-127.0f)));
}

#endif
