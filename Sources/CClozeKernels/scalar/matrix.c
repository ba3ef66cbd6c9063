/* The reference: plain loops over the packed layouts. What the other variants must give, byte for byte. */
#include "cloze_kernels.h"

#include <stddef.h>
#include <stdint.h>

#define NAME(operator) cloze_##operator##__scalar
#define MR 4
#define NR 16
#define KR 2

static void int8_tile(size_t rows, size_t steps, const void *a, const void *b, int32_t *c) {
  const int16_t *x = a;
  const int8_t *w = b;
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < NR; j++) {
      int32_t sum = 0;
      for (size_t p = 0; p < steps; p++)
        for (size_t i = 0; i < KR; i++) sum += x[(p * rows + r) * KR + i] * w[(p * NR + j) * KR + i];
      c[r * NR + j] = sum;
    }
}

static void float_tile(size_t rows, size_t k, const float *a, const float *b, float *c) {
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < NR; j++) {
      float sum = 0;
      for (size_t p = 0; p < k; p++) sum = __builtin_fmaf(a[p * rows + r], b[p * NR + j], sum);
      c[r * NR + j] = sum;
    }
}

#define ATTENTION_KR KR
#define attention_tile int8_tile
#define tile(rows, k, a, b, c) int8_tile(rows, GROUPS(k), a, b, c)
#include "../lanes/int8.inc"
#undef tile
#define tile float_tile
#include "../lanes/float32.inc"
