/* Armv8.6-A with the matrix products of bytes, 2 x 8 by 8 x 2. Tiles of 12 x 16, by eight columns at a time:
 * twenty-four registers of sums, four of weights, the rest of activations. */
#if defined(__aarch64__) && defined(__linux__)
#include "cloze_kernels.h"

#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)

#define NAME(operator) cloze_##operator##__neoni8mm
#define MR 12
#define MEMORY_BOUND_INT8 24
#define MEMORY_BOUND_FLOAT 24
#define NR 16
#define ROW_BIAS 0   /* both sides of ummla are unsigned */
#define ROW_GROUP 8  /* bytes of a row that lie together: two rows' are the 2 x 8 side of a product */
#include "../lanes/lanes.h"
#include "../tiles/float_neon.h"

/* Columns that are done at once: eight of weights, with the sums of three pairs of rows, would not leave a register for
 * activations. */
#define WIDE(rows) ((rows) > 4 ? 8 : 16)

/* Adds one product of 2 x 2 to c, unsigned activations by weights that are unsigned or not. */
INLINE int32x4_t multiply_add(int32x4_t c, const int unsigned_columns, uint8x16_t a, uint8x16_t b) {
  return unsigned_columns ? vreinterpretq_s32_u32(vmmlaq_u32(vreinterpretq_u32_s32(c), a, b))
                          : vusmmlaq_s32(c, a, vreinterpretq_s8_u8(b));
}

/* One step over two groups of weights, b and following, of four columns a register; their bytes are brought together in
 * twos of columns. */
INLINE void bytes_step(const size_t rows, const int unsigned_columns, const int whole, const char *a, const char *b,
                       int32x4_t sum[MR / 2][8]) {
  uint8x16_t w[8];
  for (size_t j = 0; j < WIDE(rows) / 4; j++) {
    uint32x4_t w0 = vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)b + 16 * j));
    uint32x4_t w1 = whole ? vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)b + 64 + 16 * j)) : vdupq_n_u32(0);
    w[2 * j] = vreinterpretq_u8_u32(vzip1q_u32(w0, w1));
    w[2 * j + 1] = vreinterpretq_u8_u32(vzip2q_u32(w0, w1));
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r += 2) {
    uint8x16_t x = r + 1 < rows ? vld1q_u8((const uint8_t *)a + r * 8)
                                : vcombine_u8(vld1_u8((const uint8_t *)a + r * 8), vdup_n_u8(0));
    for (size_t j = 0; j < WIDE(rows) / 2; j++) sum[r / 2][j] = multiply_add(sum[r / 2][j], unsigned_columns, x, w[j]);
  }
}

/* c = start + a b over groups of four bytes, of some columns of a panel. In activations, eight bytes lie together;
 * where the number of groups is odd, the last four meet weights of zero. */
INLINE void bytes_columns(const size_t rows, const int unsigned_columns, size_t steps, const int32_t *start,
                          const char *a, const char *b, int32_t *c) {
  int32x4_t sum[MR / 2][8];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r += 2) {
    int32_t s0 = start ? start[r] : 0, s1 = start && r + 1 < rows ? start[r + 1] : 0;
    for (size_t j = 0; j < WIDE(rows) / 2; j++) sum[r / 2][j] = (int32x4_t){s0, s0, s1, s1};
  }
#pragma clang loop unroll(disable)
  for (size_t p = 0; p + 2 <= steps; p += 2, a += rows * 8, b += 128) bytes_step(rows, unsigned_columns, 1, a, b, sum);
  if (steps % 2) bytes_step(rows, unsigned_columns, 0, a, b, sum);
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < WIDE(rows) / 2; j += 2) {
      int64x2_t left = vreinterpretq_s64_s32(sum[r / 2][j]), right = vreinterpretq_s64_s32(sum[r / 2][j + 1]);
      vst1q_s32(c + r * NR + 2 * j, vreinterpretq_s32_s64(r % 2 ? vzip2q_s64(left, right) : vzip1q_s64(left, right)));
    }
}

static __attribute__((noinline)) void int8_tile(size_t rows, size_t k, const char *a, const char *b, int32_t *c) {
#define CALL(n)                             \
  for (size_t j = 0; j < NR; j += WIDE(n)) \
  bytes_columns(n, 1, (k + 3) / 4, (const int32_t *)a, a + n * sizeof(int32_t), b + j * 4, c + j)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static __attribute__((noinline)) void attention_bytes(size_t rows, size_t steps, const char *a, const char *b,
                                                      int32_t *c) {
#define CALL(n) \
  for (size_t j = 0; j < NR; j += WIDE(n)) bytes_columns(n, 0, steps, NULL, a, b + j * 4, c + j)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

#define ATTENTION_KR 4
#define attention_tile(rows, steps, start, a, b, next, c) \
  ((void)(next), (void)(start), attention_bytes(rows, steps, a, b, c))
#define tile(rows, k, a, b, next, ahead, c) ((void)(next), (void)(ahead), int8_tile(rows, k, a, b, c))
#include "../lanes/int8.inc"
#undef tile
#define tile(rows, k, a, b, next, ahead, c) ((void)(next), (void)(ahead), float_tile(rows, k, a, b, c))
#include "../lanes/float32.inc"

#pragma clang attribute pop
#endif
