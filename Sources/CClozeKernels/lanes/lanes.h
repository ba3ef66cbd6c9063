/* Sixteen float lanes and the operations on them that every variant shares.
 *
 * The vector types are clang's; the compiler splits them into whatever registers the instruction set of the including
 * file has, so that one source gives the same bits everywhere. Two things make that true: contraction is off (only an
 * explicit fma fuses), and reductions add the lanes as a fixed tree.
 * Include inside the file's `#pragma clang attribute push`.
 */
#ifndef CLOZE_LANES_H
#define CLOZE_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma clang fp contract(off) reassociate(off)
/* Vectors wider than the registers are passed between functions only where these are inlined. */
#pragma clang diagnostic ignored "-Wpsabi"

#define LANES 16
#define INLINE static inline __attribute__((always_inline))

typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef int16_t i16x16 __attribute__((vector_size(32)));

/* Floats are read from wherever they lie: those of weights, where a model file has them. */
typedef float unaligned_float __attribute__((aligned(1)));

INLINE f32x16 splat(float a) { return (f32x16){a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}; }
INLINE f32x16 load(const unaligned_float *p) { f32x16 v; memcpy(&v, p, sizeof v); return v; }
INLINE void store(float *p, f32x16 v) { memcpy(p, &v, sizeof v); }
INLINE i32x16 load_i32(const int32_t *p) { i32x16 v; memcpy(&v, p, sizeof v); return v; }

/* Copies n < 16 floats. A copy of a length that the compiler does not know would be a call, around which every vector
 * that is kept in a register has to be stored. */
INLINE void copy_some(unaligned_float *to, const unaligned_float *from, size_t n) {
  size_t at = 0;
  if (n & 8) memcpy(to, from, 32), at = 8;
  if (n & 4) memcpy(to + at, from + at, 16), at += 4;
  if (n & 2) memcpy(to + at, from + at, 8), at += 2;
  if (n & 1) to[at] = from[at];
}

/* The first n < 16 floats, `rest` in the other lanes. */
INLINE f32x16 load_some(const unaligned_float *p, size_t n, float rest) {
  float lanes[LANES];
  store(lanes, splat(rest));
  copy_some(lanes, p, n);
  return load(lanes);
}
INLINE void store_some(float *p, f32x16 v, size_t n) {
  float lanes[LANES];
  store(lanes, v);
  copy_some(p, lanes, n);
}

/* The same for n <= 16, quick for 16. */
INLINE f32x16 load_upto(const unaligned_float *p, size_t n, float rest) {
  return n == LANES ? load(p) : load_some(p, n, rest);
}
INLINE void store_upto(float *p, f32x16 v, size_t n) {
  if (n == LANES) store(p, v);
  else store_some(p, v, n);
}

/* f(p, n) for every 16 of k values, and what is left; where n is LANES, the compiler knows. */
#define EACH_LANES(p, k, f)                          \
  {                                                  \
    size_t p = 0;                                    \
    for (; p + LANES <= (k); p += LANES) f(p, LANES) \
    if (p < (k)) f(p, (k) - p)                       \
  }

/* Without an instruction for it, it is sixteen calls, which would fill the library were they everywhere. */
#if defined(__x86_64__) && defined(SCALAR)
static __attribute__((noinline)) f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }
#else
INLINE f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }
#endif
INLINE f32x16 round16(f32x16 a) { return __builtin_elementwise_roundeven(a); }
/* Added to a float below 2^22, it leaves the nearest whole number, of two the even one, in the low bits: with an fma, that
 * of a product that was not rounded before. */
#define TO_WHOLE 12582912.0f  /* 1.5 * 2^23 */
#define WHOLE_BITS 0x4b400000 /* of TO_WHOLE */
INLINE f32x16 select16(i32x16 mask, f32x16 a, f32x16 b) {
  return (f32x16)(((i32x16)a & mask) | ((i32x16)b & ~mask));
}
/* Like vmaxps: b where either is NaN. */
INLINE f32x16 max16(f32x16 a, f32x16 b) { return select16(a > b, a, b); }
INLINE f32x16 min16(f32x16 a, f32x16 b) { return select16(a < b, a, b); }
INLINE f32x16 abs16(f32x16 a) { return (f32x16)((i32x16)a & 0x7fffffff); }
INLINE i32x16 to_i32(f32x16 a) { return __builtin_convertvector(a, i32x16); } /* truncates; exact for whole numbers */
INLINE f32x16 to_f32(i32x16 a) { return __builtin_convertvector(a, f32x16); }

/* What is added to the scores of a sequence's next sixteen keys, of which `left` are left: nothing where there is one. */
INLINE f32x16 absent16(size_t left) {
  i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return select16(lane < (int32_t)(left < LANES ? left : LANES), splat(0.0f), splat(-__builtin_inff()));
}

/* Sixteen lanes to one: 8 + 8, then 4 + 4, 2 + 2, 1 + 1. */
typedef float f32x8 __attribute__((vector_size(32)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
#define LOW8(v) __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
#define HIGH8(v) __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)
#define LOW4(v) __builtin_shufflevector(v, v, 0, 1, 2, 3)
#define HIGH4(v) __builtin_shufflevector(v, v, 4, 5, 6, 7)
INLINE float sum16(f32x16 v) {
  f32x8 a = LOW8(v) + HIGH8(v);
  f32x4 b = LOW4(a) + HIGH4(a);
  return (b[0] + b[2]) + (b[1] + b[3]);
}
/* Not __builtin_elementwise_max, whose care for NaN takes two more instructions. */
INLINE f32x8 max8(f32x8 a, f32x8 b) {
  i32x8 mask = a > b;
  return (f32x8)(((i32x8)a & mask) | ((i32x8)b & ~mask));
}
INLINE f32x4 max4(f32x4 a, f32x4 b) {
  i32x4 mask = a > b;
  return (f32x4)(((i32x4)a & mask) | ((i32x4)b & ~mask));
}
INLINE float larger(float a, float b) { return a > b ? a : b; }
INLINE float largest16(f32x16 v) {
  f32x8 a = max8(LOW8(v), HIGH8(v));
  f32x4 b = max4(LOW4(a), HIGH4(a));
  return larger(larger(b[0], b[2]), larger(b[1], b[3]));
}
INLINE float smallest16(f32x16 v) { return -largest16(-v); }

/* exp(x) for x <= 88; 0 below -87, and infinity from 88.4 to 89, where 2^n overflows and beyond which no x may be.
 * x = n ln 2 + r with |r| <= ln(2)/2, exp(x) = 2^n (1 + r + r^2 p(r)) with p of degree 3. Relative error below 2e-7. p is
 * the minimax polynomial of (exp(r) - 1 - r) / r^2 weighted by r^2, found by Lawson's iteration; its own error is
 * 9.5e-8. ln 2 is subtracted in two parts (Cody and Waite, 1980). */
INLINE f32x16 exp16(f32x16 x) {
  i32x16 under = x < splat(-87.0f);
  x = max16(x, splat(-87.0f));
  f32x16 n = round16(x * splat(1.44269504f));
  f32x16 r = fma16(n, splat(-0.693359375f), x);
  r = fma16(n, splat(2.12194440e-4f), r);
  f32x16 p = splat(8.37463978677988e-3f);
  p = fma16(p, r, splat(4.189826920628548e-2f));
  p = fma16(p, r, splat(1.6666457056999207e-1f));
  p = fma16(p, r, splat(4.999914765357971e-1f));
  p = fma16(p, r * r, r) + splat(1.0f);
  f32x16 power = (f32x16)((to_i32(n) + 127) << 23);
  return select16(under, splat(0.0f), p * power);
}

#endif
