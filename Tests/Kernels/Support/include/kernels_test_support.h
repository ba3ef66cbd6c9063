/* What the tests of the kernels need in C: references in double, emulated variants, and floating-point control. */
#ifndef KERNELS_TEST_SUPPORT_H
#define KERNELS_TEST_SUPPORT_H

#include "cloze_kernels.h"

/* The tile kernels of avx512vnni, compiled against SIMDe's portable intrinsics; rows are the scalar ones. NULL where
 * SIMDe (Debian: libsimde-dev) was not installed when this was built. */
const cloze_kernels *emulated_avx512vnni(void);

/* The products in bfloat16 of avx512bf16, compiled so too, with vdpbf16ps as Intel's manual has it; NULL as above. */
const cloze_bfloat16_kernels *emulated_avx512bf16(void);

/* The int8 kernels of avx512amx, compiled against a model of its tiles; the rest is scalar. NULL without SIMDe. */
const cloze_kernels *emulated_avx512amx(void);
/* Whether its last call on this thread left the tiles as no other code expects them. */
int avx512amx_left_tiles_configured(void);

/* The tile kernels of avxvnni, with their dot products written in AVX2; rows are the scalar ones. NULL without AVX2. */
const cloze_kernels *emulated_avxvnni(void);

/* sum[i, j] = sum_p x[i, p] w[j, p], and the same of absolute values; x [m, k], w [n, k]. */
void reference_product(const float *x, const float *w, size_t m, size_t n, size_t k, double *sum, double *magnitude);

/* The fma chain over p = 0, 1, ... from 0 that float32 products are defined as. */
void reference_chain(const float *x, const float *w, size_t m, size_t n, size_t k, float *sum);

/* sum[i, j] = sum_p x[i, p] w[j, p]. */
void reference_integer_product(const int32_t *x, const int8_t *w, size_t m, size_t n, size_t k, int64_t *sum);

/* out [s, d] = softmax(scale q k^T + bias[j - i]) v; denominators [s]: the sum of a row's exponentials relative to its
 * largest; q, k, v [s, d] with row stride ldx; bias may be NULL. */
void reference_attention(const float *q, const float *k, const float *v, size_t ldx, size_t s, size_t d, double scale,
                         const float *bias, double *out, double *denominators);

/* The function that a cloze_activation names. */
double reference_activation(double x, int32_t activation);

/* MXCSR of the calling thread, or FPCR on aarch64; 0 elsewhere. */
uint64_t float_control(void);
void set_float_control(uint64_t control);
/* Its bits for rounding up and for flushing denormal results (and operands, where that is separate) to zero. */
uint64_t float_control_round_up_and_flush(void);

#endif
