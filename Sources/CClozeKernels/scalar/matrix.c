/* The reference: plain loops over the packed layouts. What the other variants must give, byte for byte. */
#include "cloze_kernels.h"

#include <stddef.h>
#include <stdint.h>

#define NAME(operator) cloze_##operator##__scalar
#define SCALAR
#define MR 4
#define NR 16
#define ROW_BIAS 0

/* c = start + a b over groups of four bytes, a unsigned and b signed or not. */
static void bytes_tile(size_t rows, size_t steps, const int32_t *start, const uint8_t *a, const uint8_t *b, int is_signed,
                       int32_t *c) {
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < NR; j++) {
      uint32_t sum = start ? (uint32_t)start[r] : 0;
      for (size_t p = 0; p < steps; p++)
        for (size_t i = 0; i < 4; i++) {
          uint8_t w = b[(p * NR + j) * 4 + i];
          sum += (uint32_t)(a[(p * rows + r) * 4 + i] * (is_signed ? (int8_t)w : w));
        }
      c[r * NR + j] = (int32_t)sum;
    }
}

static void int8_tile(size_t rows, size_t k, const char *a, const char *b, int32_t *c) {
  bytes_tile(rows, (k + 3) / 4, (const void *)a, (const void *)(a + rows * sizeof(int32_t)), (const void *)b, 0, c);
}

static void float_tile(size_t rows, size_t k, const float *a, const float *b, float *c) {
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < NR; j++) {
      float sum = 0;
      for (size_t p = 0; p < k; p++) sum = __builtin_fmaf(a[p * rows + r], b[p * NR + j], sum);
      c[r * NR + j] = sum;
    }
}

#define ATTENTION_KR 4
#define attention_tile(rows, steps, start, a, b, next, c) \
  ((void)(next), (void)(start), bytes_tile(rows, steps, NULL, (const void *)(a), (const void *)(b), 1, c))
#define tile(rows, k, a, b, next, ahead, c) ((void)(next), (void)(ahead), int8_tile(rows, k, a, b, c))
#include "../lanes/int8.inc"
#undef tile
#define tile(rows, k, a, b, next, ahead, c) ((void)(next), (void)(ahead), float_tile(rows, k, a, b, c))
#include "../lanes/float32.inc"
