/* Armv8.2-A with dot products of bytes. Tiles of 12 x 16, in passes of eight columns: twenty-four registers of sums,
 * two of weights, three of activations. */
#if defined(__aarch64__) && defined(__linux__)
#include <arm_neon.h>

#define ISA neondot
#include "../isa.h"

#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define MR 12
#define MEMORY_BOUND_INT8 16
#define MEMORY_BOUND_FLOAT 24
#define TILE_NR 16
#define ROW_BIAS 0 /* both sides of udot are unsigned */
#include "../layout/byte_rows.h"
#include "../tiles/float32_neon.h"

/* c = correction + a b over groups of four bytes, both unsigned, of the columns of one pass. Unrolling the loop over p
 * would spill the sums. */
INLINE void byte_pass(const size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                      int32_t *c) {
  uint32x4_t sum[MR][4];
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < PASS_COLUMNS(rows) / 4; j++) sum[r][j] = vdupq_n_u32((uint32_t)correction[r]);
#pragma clang loop unroll(disable)
  for (size_t p = 0; p < steps; p++, a += rows * 4, b += 64) {
    uint32x4_t x[3];
    uint8x16_t w[4];
    load_lanes(rows, a, x);
    for (size_t j = 0; j < PASS_COLUMNS(rows) / 4; j++) w[j] = vld1q_u8((const uint8_t *)b + 16 * j);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++)
      for (size_t j = 0; j < PASS_COLUMNS(rows) / 4; j++)
        sum[r][j] = vdotq_u32(sum[r][j], w[j], vreinterpretq_u8_u32(LANE(uint32x4_t, x, r)));
  }
#pragma clang loop unroll(full)
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < PASS_COLUMNS(rows) / 4; j++) vst1q_s32(c + r * NR + 4 * j, vreinterpretq_s32_u32(sum[r][j]));
}

static NOINLINE void byte_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                               int32_t *c) {
#define CALL(n) \
  for (size_t j = 0; j < NR; j += PASS_COLUMNS(n)) byte_pass(n, steps, correction, a, b + j * 4, c + j)
  EACH_ROW_COUNT(CALL)
#undef CALL
}

static void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead, int32_t *c) {
  (void)next, (void)ahead;
  byte_tile(rows, (k + 3) / 4, (const int32_t *)a, a + rows * sizeof(int32_t), b, c);
}

static void attention_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                           size_t next, int32_t *c) {
  (void)next;
  byte_tile(rows, steps, correction, a, b, c);
}

#define ATTENTION_KR 4
#define ATTENTION_COLUMN_BIAS 128 /* Armv8.2-A has no dot product of unsigned by signed bytes */
#include "../operators/operators.inc"

#pragma clang attribute pop
#endif
