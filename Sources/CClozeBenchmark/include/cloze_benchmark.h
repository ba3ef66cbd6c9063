/* What an instruction set can do at most: loops of nothing but the inner step of a matrix product, in registers. */
#ifndef CLOZE_BENCHMARK_H
#define CLOZE_BENCHMARK_H

#include <stdint.h>

#pragma clang assume_nonnull begin

typedef struct {
  const char *isa;    /* as in cloze_kernels */
  const char *step;   /* the instructions, for people */
  int32_t is_float32; /* else int8 */
  int32_t operations; /* multiplications and additions of one pass of the loop */
  /* Runs the loop `passes` times. Call only where the CPU has the instruction set. */
  void (*run)(int64_t passes);
} cloze_limit;

/* `count` loops. */
const cloze_limit *cloze_limits(int32_t *count);

#pragma clang assume_nonnull end

#endif
