/* Armv8.2-A with the dot products of bytes. Tiles of 12 x 16, by eight columns at a time: twenty-four registers of
 * sums, two of weights, three of activations. */
#if defined(__aarch64__) && defined(__linux__)
#include "cloze_kernels.h"

#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define NAME(operator) cloze_##operator##__neondot
#define MR 12
#define MEMORY_BOUND_INT8 16
#define MEMORY_BOUND_FLOAT 24
#define NR 16
#define ROW_BIAS 0 /* both sides of udot are unsigned */
#include "../lanes/lanes.h"
#include "../tiles/float_neon.h"

/* c = start + a b over groups of four bytes, both unsigned, of some columns of a panel. Unrolling the loop over p would
 * spill the sums. */
INLINE void bytes_columns(const size_t rows, size_t steps, const int32_t *start, const char *a, const char *b,
                          int32_t *c) {
  uint32x4_t sum[MR][4];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < HALF(rows) / 4; j++) sum[r][j] = vdupq_n_u32((uint32_t)start[r]);
#pragma clang loop unroll(disable)
  for (size_t p = 0; p < steps; p++, a += rows * 4, b += 64) {
    uint32x4_t x[3];
    uint8x16_t w[4];
    load_lanes(rows, a, x);
    for (size_t j = 0; j < HALF(rows) / 4; j++) w[j] = vld1q_u8((const uint8_t *)b + 16 * j);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++)
      for (size_t j = 0; j < HALF(rows) / 4; j++)
        sum[r][j] = vdotq_u32(sum[r][j], w[j], vreinterpretq_u8_u32(LANE(uint32x4_t, x, r)));
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < HALF(rows) / 4; j++) vst1q_s32(c + r * NR + 4 * j, vreinterpretq_s32_u32(sum[r][j]));
}

static __attribute__((noinline)) void bytes_tile(size_t rows, size_t steps, const int32_t *start, const char *a,
                                                 const char *b, int32_t *c) {
#define CALL(n) \
  for (size_t j = 0; j < NR; j += HALF(n)) bytes_columns(n, steps, start, a, b + j * 4, c + j)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

#define ATTENTION_KR 4
#define ATTENTION_COLUMN_BIAS 128 /* there is no dot product of unsigned by signed bytes */
#define attention_tile(rows, steps, start, a, b, next, c) ((void)(next), bytes_tile(rows, steps, start, a, b, c))
#define tile(rows, k, a, b, next, ahead, c) \
  ((void)(next), (void)(ahead),             \
   bytes_tile(rows, (k + 3) / 4, (const int32_t *)(a), (a) + (rows) * sizeof(int32_t), b, c))
#include "../lanes/int8.inc"
#undef tile
#define tile(rows, k, a, b, next, ahead, c) ((void)(next), (void)(ahead), float_tile(rows, k, a, b, c))
#include "../lanes/float32.inc"

#pragma clang attribute pop
#endif
