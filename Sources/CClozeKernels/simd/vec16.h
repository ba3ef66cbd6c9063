/* Vectors of sixteen lanes, and the operations on them that every instruction set shares.
 *
 * The vector types are clang's. The compiler splits them into the registers of the including file's instruction set, so
 * that one source gives the same bits everywhere. Two things make that true: contraction is off (only an explicit fma
 * fuses), and a reduction adds the lanes as one fixed tree.
 *
 * Include inside the file's `#pragma clang attribute push`. */
#ifndef CLOZE_VEC16_H
#define CLOZE_VEC16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma clang fp contract(off) reassociate(off)
/* Vectors wider than the registers are arguments of inlined functions only, so that their ABI does not matter. */
#pragma clang diagnostic ignored "-Wpsabi"

#define LANES 16
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define ROUND_UP(x, to) (((x) + (to) - 1) / (to) * (to))

typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef int16_t i16x16 __attribute__((vector_size(32)));
typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef uint16_t u16x8 __attribute__((vector_size(16)));

/* Weights are read where a model file has them, at any address. */
typedef float unaligned_float __attribute__((aligned(1)));

/* ---- Loading and storing ---- */

INLINE f32x16 splat(float a) { return (f32x16){a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}; }
INLINE f32x16 load(const unaligned_float *p) { f32x16 v; memcpy(&v, p, sizeof v); return v; }
INLINE void store(float *p, f32x16 v) { memcpy(p, &v, sizeof v); }
INLINE i32x16 load_i32(const int32_t *p) { i32x16 v; memcpy(&v, p, sizeof v); return v; }

/* Copies n < LANES floats. A memcpy of a length that the compiler does not know would be a call, around which every
 * vector in a register has to be spilled. */
INLINE void copy_tail(unaligned_float *to, const unaligned_float *from, size_t n) {
  size_t at = 0;
  if (n & 8) memcpy(to, from, 32), at = 8;
  if (n & 4) memcpy(to + at, from + at, 16), at += 4;
  if (n & 2) memcpy(to + at, from + at, 8), at += 2;
  if (n & 1) to[at] = from[at];
}

/* Loads n < LANES floats into the first lanes, `fill` into the others. */
INLINE f32x16 load_tail(const unaligned_float *p, size_t n, float fill) {
  float lanes[LANES];
  store(lanes, splat(fill));
  copy_tail(lanes, p, n);
  return load(lanes);
}

/* Stores the first n < LANES lanes. */
INLINE void store_tail(float *p, f32x16 v, size_t n) {
  float lanes[LANES];
  store(lanes, v);
  copy_tail(p, lanes, n);
}

/* The same for n <= LANES. */
INLINE f32x16 load_partial(const unaligned_float *p, size_t n, float fill) {
  return n == LANES ? load(p) : load_tail(p, n, fill);
}
INLINE void store_partial(float *p, f32x16 v, size_t n) {
  if (n == LANES) store(p, v);
  else store_tail(p, v, n);
}

/* Lanes in use where `left` elements are left: at most all. */
INLINE size_t lanes_of(size_t left) { return left < LANES ? left : LANES; }

/* Executes the statements that follow for p = 0, 16, 32, ... below count, with n the number of lanes in use. They are
 * compiled twice: with n = LANES, and for the tail with n < LANES, so that load_partial and store_partial cost nothing
 * in the loop. */
#define EACH_LANES(p, n, count, ...)                              \
  {                                                               \
    size_t p = 0;                                                 \
    for (; p + LANES <= (count); p += LANES) {                    \
      const size_t n = LANES;                                     \
      __VA_ARGS__                                                 \
    }                                                             \
    if (p < (count)) {                                            \
      const size_t n = (count) - p;                               \
      __builtin_assume(n < LANES);                                \
      __VA_ARGS__                                                 \
    }                                                             \
  }

/* ---- Arithmetic ---- */

/* Without an instruction it is sixteen calls: neither it nor what consists of many is inlined. */
#if defined(FMA_IS_A_CALL)
#define INLINE_FMAS static NOINLINE __attribute__((unused))
#else
#define INLINE_FMAS INLINE
#endif
INLINE_FMAS f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }
INLINE f32x16 round16(f32x16 a) { return __builtin_elementwise_roundeven(a); }
INLINE f32x16 select16(i32x16 mask, f32x16 a, f32x16 b) {
  return (f32x16)(((i32x16)a & mask) | ((i32x16)b & ~mask));
}
/* As vmaxps: b where either is NaN. */
INLINE f32x16 max16(f32x16 a, f32x16 b) { return select16(a > b, a, b); }
INLINE f32x16 min16(f32x16 a, f32x16 b) { return select16(a < b, a, b); }
INLINE f32x16 abs16(f32x16 a) { return (f32x16)((i32x16)a & 0x7fffffff); }
INLINE i32x16 to_i32(f32x16 a) { return __builtin_convertvector(a, i32x16); } /* truncates */
INLINE f32x16 to_f32(i32x16 a) { return __builtin_convertvector(a, f32x16); }

/* The attention mask of a sequence's last keys: 0 in the first `left` lanes, -inf in the others. */
INLINE f32x16 tail_mask16(size_t left) {
  i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return select16(lane < (int32_t)lanes_of(left), splat(0.0f), splat(-__builtin_inff()));
}

/* ---- Reductions: 16 lanes to 8, 4, 2, 1 by adding (or comparing) the upper half to the lower ---- */

#define LOW8(v) __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
#define HIGH8(v) __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)
#define LOW4(v) __builtin_shufflevector(v, v, 0, 1, 2, 3)
#define HIGH4(v) __builtin_shufflevector(v, v, 4, 5, 6, 7)
INLINE float reduce_add16(f32x16 v) {
  f32x8 a = LOW8(v) + HIGH8(v);
  f32x4 b = LOW4(a) + HIGH4(a);
  return (b[0] + b[2]) + (b[1] + b[3]);
}
/* Not __builtin_elementwise_max: its treatment of NaN takes two more instructions. */
INLINE f32x8 max8(f32x8 a, f32x8 b) {
  i32x8 mask = a > b;
  return (f32x8)(((i32x8)a & mask) | ((i32x8)b & ~mask));
}
INLINE f32x4 max4(f32x4 a, f32x4 b) {
  i32x4 mask = a > b;
  return (f32x4)(((i32x4)a & mask) | ((i32x4)b & ~mask));
}
INLINE float max1(float a, float b) { return a > b ? a : b; }
INLINE float reduce_max16(f32x16 v) {
  f32x8 a = max8(LOW8(v), HIGH8(v));
  f32x4 b = max4(LOW4(a), HIGH4(a));
  return max1(max1(b[0], b[2]), max1(b[1], b[3]));
}
INLINE float reduce_min16(f32x16 v) { return -reduce_max16(-v); }

/* The largest |x[p]| for p < count, 0 for none. */
INLINE float max_magnitude(const float *x, size_t count) {
  f32x16 max = splat(0.0f);
  EACH_LANES(p, n, count, max = max16(abs16(load_partial(x + p, n, 0)), max);)
  return reduce_max16(max);
}

/* ---- Exponential ---- */

/* exp(x), with a relative error below 2e-7, for x <= 88; 0 below -87. From 88.4 to 89 infinity, as 2^n overflows; x
 * must not exceed 89.
 *
 *   x = n ln 2 + r, |r| <= ln(2)/2;   exp(x) = 2^n (1 + r + r^2 p(r)), p of degree 3
 *
 * p is the minimax polynomial of (exp(r) - 1 - r) / r^2 weighted by r^2, found by Lawson's iteration; its own error is
 * 9.5e-8. ln 2 is subtracted in two parts (Cody and Waite, 1980). */
INLINE_FMAS f32x16 exp16(f32x16 x) {
  i32x16 underflows = x < splat(-87.0f);
  x = max16(x, splat(-87.0f));
  f32x16 n = round16(x * splat(1.44269504f)); /* 1 / ln 2 */
  f32x16 r = fma16(n, splat(-0.693359375f), x);
  r = fma16(n, splat(2.12194440e-4f), r);
  f32x16 p = splat(8.37463978677988e-3f);
  p = fma16(p, r, splat(4.189826920628548e-2f));
  p = fma16(p, r, splat(1.6666457056999207e-1f));
  p = fma16(p, r, splat(4.999914765357971e-1f));
  p = fma16(p, r * r, r) + splat(1.0f);
  f32x16 power = (f32x16)((to_i32(n) + 127) << 23);
  return select16(underflows, splat(0.0f), p * power);
}

#endif
