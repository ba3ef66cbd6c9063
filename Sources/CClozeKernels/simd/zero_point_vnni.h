/* How AVX-512 VNNI subtracts zero points (operators/dense_int8.inc). */
#ifndef CLOZE_ZERO_POINT_VNNI_H
#define CLOZE_ZERO_POINT_VNNI_H

#include "vec16.h"

/* product - z sum by one vpdpwssd, where a product of int32 takes two instructions: with -sum = 256 high + low in int16
 * each, it adds low z and high (256 z). |sum| <= 2^23, -128 <= z < 128. */
#define ENCODE_ZERO_POINT(z) ((int32_t)((uint32_t)(z) << 24 | (uint16_t)(z)))

INLINE i32x16 ENCODE_COLUMN_SUMS(i32x16 sums) {
  i32x16 high = __builtin_elementwise_min(-sums >> 8, (i32x16){0} + INT16_MAX);
  return (i32x16)((u32x16)high << 16) | (-sums - high * 256);
}

INLINE i32x16 SUBTRACT_ZERO_POINT(i32x16 product, i32x16 encoded_sums, int32_t encoded_z) {
  return (i32x16)_mm512_dpwssd_epi32((__m512i)product, (__m512i)encoded_sums, _mm512_set1_epi32(encoded_z));
}

#endif
