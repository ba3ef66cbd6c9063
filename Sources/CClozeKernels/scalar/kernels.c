/* The reference: plain loops over the packed layouts. What every other instruction set must give, byte for byte. */
#define ISA scalar
#include "../isa.h"

#define MR 4
#define TILE_NR 16
#define ROW_BIAS 0
#if defined(__x86_64__)
#define FMA_IS_A_CALL
#endif
#include "../layout/byte_rows.h"
#include "../tiles/tile.h"

/* c = correction + a b over groups of four bytes, unsigned in a, signed or unsigned in b. */
static void byte_tile(size_t rows, size_t steps, const int32_t *correction, const uint8_t *a, const uint8_t *b,
                      int columns_are_signed, int32_t *c) {
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < NR; j++) {
      uint32_t sum = (uint32_t)correction[r];
      for (size_t p = 0; p < steps; p++)
        for (size_t i = 0; i < 4; i++) {
          uint8_t w = b[(p * NR + j) * 4 + i];
          sum += (uint32_t)(a[(p * rows + r) * 4 + i] * (columns_are_signed ? (int8_t)w : w));
        }
      c[r * NR + j] = (int32_t)sum;
    }
}

static void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead, int32_t *c) {
  (void)next, (void)ahead;
  const int32_t *headers = (const void *)a;
  byte_tile(rows, (k + 3) / 4, headers, (const uint8_t *)(headers + rows), (const uint8_t *)b, 0, c);
}

static void attention_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                           size_t next, int32_t *c) {
  (void)next;
  byte_tile(rows, steps, correction, (const uint8_t *)a, (const uint8_t *)b, 1, c);
}

static void float_tile(size_t rows, size_t k, const float *a, const float *b, size_t next, const float *ahead,
                       float *c) {
  (void)next, (void)ahead;
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < NR; j++) {
      float sum = 0;
      for (size_t p = 0; p < k; p++) sum = __builtin_fmaf(a[p * rows + r], b[p * NR + j], sum);
      c[r * NR + j] = sum;
    }
}

#define ATTENTION_KR 4
#include "../operators/operators.inc"
