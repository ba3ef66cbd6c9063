/* Armv8.6-A with matrix products of bytes, 2 x 8 by 8 x 2. Tiles of 12 x 16, in passes of eight columns: twenty-four
 * registers of sums, four of weights, the rest of activations. */
#if defined(__aarch64__) && defined(__linux__)
#include <arm_neon.h>

#define ISA neoni8mm
#include "../isa.h"

#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define MR 12
#define MEMORY_BOUND_INT8 24
#define MEMORY_BOUND_FLOAT 24
#define TILE_NR 16
#define ROW_BIAS 0 /* both sides of ummla are unsigned */
#define ROW_RUN 8  /* the runs of two rows are the 2 x 8 side of a product */
#include "../layout/byte_rows.h"
#include "../tiles/float32_neon.h"

/* Columns of a pass: sixteen, with eight registers of weights and the sums of three pairs of rows, would not leave a
 * register for activations. */
#define BYTE_PASS_COLUMNS(rows) ((rows) > 4 ? 8 : 16)

/* Adds one product of 2 x 2 to c, unsigned activations by weights that are unsigned or not. */
INLINE int32x4_t multiply_add(int32x4_t c, const int unsigned_columns, uint8x16_t a, uint8x16_t b) {
  return unsigned_columns ? vreinterpretq_s32_u32(vmmlaq_u32(vreinterpretq_u32_s32(c), a, b))
                          : vusmmlaq_s32(c, a, vreinterpretq_s8_u8(b));
}

/* Two steps: the groups of b and of the next 64 bytes, of four columns a register, are zipped into registers of eight
 * neighbouring values of two columns. Without `whole`, only the first step exists. */
INLINE void byte_step(const size_t rows, const int unsigned_columns, const int whole, const char *a, const char *b,
                      int32x4_t sum[MR / 2][8]) {
  uint8x16_t w[8];
  for (size_t j = 0; j < BYTE_PASS_COLUMNS(rows) / 4; j++) {
    uint32x4_t w0 = vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)b + 16 * j));
    uint32x4_t w1 = whole ? vreinterpretq_u32_u8(vld1q_u8((const uint8_t *)b + 64 + 16 * j)) : vdupq_n_u32(0);
    w[2 * j] = vreinterpretq_u8_u32(vzip1q_u32(w0, w1));
    w[2 * j + 1] = vreinterpretq_u8_u32(vzip2q_u32(w0, w1));
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r += 2) {
    uint8x16_t x = r + 1 < rows ? vld1q_u8((const uint8_t *)a + r * 8)
                                : vcombine_u8(vld1_u8((const uint8_t *)a + r * 8), vdup_n_u8(0));
    for (size_t j = 0; j < BYTE_PASS_COLUMNS(rows) / 2; j++)
      sum[r / 2][j] = multiply_add(sum[r / 2][j], unsigned_columns, x, w[j]);
  }
}

/* c = correction + a b of the columns of one pass, over groups of four bytes, two steps at a time; correction NULL for
 * 0. Where the number of steps is odd, the last four bytes of activations meet weights of zero. */
INLINE void byte_pass(const size_t rows, const int unsigned_columns, size_t steps, const int32_t *correction,
                      const char *a, const char *b, int32_t *c) {
  int32x4_t sum[MR / 2][8];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r += 2) {
    int32_t s0 = correction ? correction[r] : 0, s1 = correction && r + 1 < rows ? correction[r + 1] : 0;
    for (size_t j = 0; j < BYTE_PASS_COLUMNS(rows) / 2; j++) sum[r / 2][j] = (int32x4_t){s0, s0, s1, s1};
  }
#pragma clang loop unroll(disable)
  for (size_t p = 0; p + 2 <= steps; p += 2, a += rows * 8, b += 128) byte_step(rows, unsigned_columns, 1, a, b, sum);
  if (steps % 2) byte_step(rows, unsigned_columns, 0, a, b, sum);
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < BYTE_PASS_COLUMNS(rows) / 2; j += 2) {
      int64x2_t left = vreinterpretq_s64_s32(sum[r / 2][j]), right = vreinterpretq_s64_s32(sum[r / 2][j + 1]);
      vst1q_s32(c + r * NR + 2 * j, vreinterpretq_s32_s64(r % 2 ? vzip2q_s64(left, right) : vzip1q_s64(left, right)));
    }
}

static NOINLINE void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead,
                               int32_t *c) {
  (void)next, (void)ahead;
#define CALL(n)                                         \
  for (size_t j = 0; j < NR; j += BYTE_PASS_COLUMNS(n)) \
    byte_pass(n, 1, (k + 3) / 4, (const int32_t *)a, a + n * sizeof(int32_t), b + j * 4, c + j)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static NOINLINE void attention_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                                    size_t next, int32_t *c) {
  (void)correction, (void)next;
#define CALL(n) \
  for (size_t j = 0; j < NR; j += BYTE_PASS_COLUMNS(n)) byte_pass(n, 0, steps, NULL, a, b + j * 4, c + j)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

#define ATTENTION_KR 4
#include "../operators/operators.inc"

#pragma clang attribute pop
#endif
