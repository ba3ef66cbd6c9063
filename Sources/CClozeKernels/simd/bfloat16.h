/* Rounding to bfloat16: a float32 of which the upper 16 bits are kept. Include inside the file's
 * `#pragma clang attribute push`. */
#ifndef CLOZE_BFLOAT16_H
#define CLOZE_BFLOAT16_H

#include "vec16.h"

/* x rounded to bfloat16, to nearest, ties to even, as the bits of the float32 of that value; 0 where |x| < 2^-56.
 *
 * vdpbf16ps treats denormals as zero and gives none, a plain fma does not. With that bound there are none: an operand
 * that is not 0 is a multiple of 2^-56 2^-7, a product of two one of 2^-126, and so is each sum of products, which
 * rounding takes to multiples of itself or of larger powers of two. A sum is 0 or at least 2^-126, a normal number. */
INLINE u32x16 bfloat16_bits16(f32x16 x) {
  u32x16 bits = (u32x16)x;
  u32x16 rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  u32x16 is_small = (u32x16)(abs16(x) < splat(0x1p-56f));
  u32x16 is_nan = (u32x16)(x != x); /* whose bits may carry into the sign */
  return (rounded & ~is_small) | (is_nan & 0x7fc00000);
}

#endif
