/* cloze_kernels.h: the arithmetic of BERT, once per instruction set.
 *
 * A kernel table holds one variant of every operator. Variants agree to the last bit: products of int8 operands are
 * integers, and every float operation is written once, over 16 lanes (simd/vec16.h), and compiled for each instruction
 * set without contraction or reordering. Kernels allocate nothing, start no threads and never fail; the caller
 * guarantees sizes and ranges. docs/KERNELS.md says how they are made.
 *
 * Letters: m rows (tokens), n output columns, k input columns, s tokens of a sequence, d columns of a head or a row;
 * ld* are row strides in elements. At most mr rows make a panel of activations, nr columns a panel of weights, in which
 * groups of kr neighbours in k lie together (layout/panels.h). */
#ifndef CLOZE_KERNELS_H
#define CLOZE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/* Functions of one variable that follow a dense layer. Values are stored in models; do not renumber. */
typedef enum cloze_activation {
  CLOZE_ACTIVATION_NONE = 0,
  CLOZE_ACTIVATION_GELU = 1,      /* x/2 (1 + erf(x / sqrt 2)) */
  CLOZE_ACTIVATION_GELU_TANH = 2, /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
  CLOZE_ACTIVATION_RELU = 3,
  CLOZE_ACTIVATION_TANH = 4,
  CLOZE_ACTIVATION_SILU = 5,      /* x / (1 + exp(-x)) */
  CLOZE_ACTIVATION_QUICK_GELU = 6 /* x / (1 + exp(-1.702 x)) */
} cloze_activation;

/* A matrix of activations [m, k], packed for the left side of a product: panels of at most mr rows, whose layout
 * differs between variants. */
typedef struct cloze_packed_rows {
  void *panels;
  float *_Nullable scale;  /* [m] int8 only */
  int32_t *_Nullable zero; /* [m] int8 only: the zero point of each row, as the variant encodes it */
} cloze_packed_rows;

/* A matrix of weights [k, n], packed for the right side of a product, the same way for every variant: panels of nr = 16
 * output columns, [ceil(k / kr)][nr][kr] elements each, f32 with kr 1, or u8 with kr 4 that hold w + 128; w = 0 beyond
 * n and k. */
typedef struct cloze_packed_columns {
  const void *panels;
  const float *_Nullable scale; /* [n rounded up to nr] int8 only */
  const int32_t *_Nullable sum; /* [n rounded up to nr] int8 only: sum of a column's quantized weights */
} cloze_packed_columns;

/* What happens to a product on its way to memory: c = activation(a b + bias) */
typedef struct cloze_epilogue {
  const float *_Nullable bias; /* [n rounded up to nr], or NULL */
  int32_t activation;          /* cloze_activation */
} cloze_epilogue;

/* The operators on matrices, in one precision.
 *
 * int8: a row of activations is asymmetric u8 with its own scale and zero point, a column of weights symmetric s8 with
 * its own scale:
 *   c[i, j] = scale_a[i] scale_b[j] (sum_p qa[i, p] qb[p, j] - zero_a[i] sum_b[j]) + bias[j]
 * with the sums exact in int32, for which k <= 65536.
 * float32: c[i, j] = fma chain over p = 0, 1, ..., k - 1 starting from 0, plus bias. */
typedef struct cloze_matrix_kernels {
  int32_t mr, nr, kr;
  int32_t column_element_size; /* bytes of an element of cloze_packed_columns.panels */
  int32_t memory_bound_rows;   /* the m below which two threads that share the rows are bound by reading weights */

  /* Bytes of cloze_packed_rows.panels for m rows of k. */
  size_t (*packed_rows_size)(size_t m, size_t k);

  /* Packs x [m, k] f32, multiplied by `inverse_smoothing` [k] where that is not NULL. int8 quantizes each row:
   *   scale = (max - min) / 255, zero = round(-min / scale), q = round(x / scale + zero) in 0 ... 255
   * with min <= 0 <= max forced; a row of zeros gets scale 1 and zero 0. Rounding is to nearest even. */
  void (*pack_rows)(const float *x, size_t ldx, const float *_Nullable inverse_smoothing, size_t m, size_t k,
                    cloze_packed_rows rows);

  /* Packs n columns of weights that lie as rows w [n, k] (s8 for int8, f32 for float32) and, for int8, sums them. */
  void (*pack_columns)(const void *w, size_t ldw, size_t n, size_t k, void *panels, int32_t *_Nullable sum);

  /* Writes one packed column as it was before packing, w [k] s8 or f32: a row of an embedding table that is also the
   * decoder of a masked language model. */
  void (*unpack_column)(const void *panels, size_t k, size_t column, void *w);

  /* c [m, n] = epilogue(a b). a and b as packed above, m and n any size. */
  void (*multiply)(size_t m, size_t n, size_t k, cloze_packed_rows a, cloze_packed_columns b,
                   cloze_epilogue epilogue, float *c, size_t ldc);

  /* Self-attention of one head over one sequence of s tokens:
   *   out = softmax(scale q k^T + bias) v
   * q, k, v [s, d] f32 with row stride ldx; out [s, d] with row stride ldo; rows [first, last) are computed.
   * bias, where not NULL: bias[j - i] is added to the score of query i and key j; elements 1 - s to
   * s rounded up to 16, exclusive, are read and finite.
   * int8: q and k symmetric s8 per row, softmax numerators u8 relative to each row's largest, v symmetric s8 per
   * column of the sequence; both products exact in int32.
   * scratch: attention_scratch(s, d) bytes, aligned to 64. */
  void (*attention)(const float *q, const float *k, const float *v, size_t ldx, size_t s, size_t d, float scale,
                    const float *_Nullable bias, size_t first, size_t last, float *out, size_t ldo, void *scratch);
  size_t (*attention_scratch)(size_t s, size_t d);
} cloze_matrix_kernels;

/* What rows of dot_products_int8 are padded to, with zeros. */
enum { CLOZE_SCAN_PADDING = 16 };

/* The operators on rows, and on weights w, which may lie at any address, as they do in files. All sums run over 16
 * lanes that are then added as a tree. */
typedef struct cloze_row_kernels {
  /* y = (x + r - mean) / sqrt(variance + epsilon) gamma + beta, with mean and variance of each of m rows [d] of x + r;
   * r may be NULL, y may be x or r. gamma and beta [d]. */
  void (*layernorm)(const float *x, size_t ldx, const float *_Nullable r, size_t ldr, const float *gamma,
                    const float *beta, float epsilon, size_t m, size_t d, float *y, size_t ldy);
  /* y = scale word + position + token_type, the sum of three embeddings [d]; with word_f32 where that is not NULL in
   * place of scale word. */
  void (*embedding_sum)(const int8_t *_Nullable word, float scale, const float *_Nullable word_f32,
                        const float *position, const float *token_type, size_t d, float *y);
  /* x = activation(x) [count]; activation is a cloze_activation. */
  void (*activate)(float *x, size_t count, int32_t activation);
  /* x = exp(x - max x) / sum exp(x - max x) [count], count >= 1. */
  void (*softmax)(float *x, size_t count);
  /* Sum, and maximum, of each column of x [m, d]; y [d]. m >= 1. */
  void (*column_sum)(const float *x, size_t ldx, size_t m, size_t d, float *y);
  void (*column_max)(const float *x, size_t ldx, size_t m, size_t d, float *y);
  /* The sum of i x[i] over the rows i of x [m, d], counted from 1, of each column; y [d]. */
  void (*column_weighted_sum)(const float *x, size_t ldx, size_t m, size_t d, float *y);
  /* x = a x [count]. */
  void (*scale)(float *x, size_t count, float a);
  /* sum x^2 [count]. */
  float (*sum_of_squares)(const float *x, size_t count);
  /* Quantizes w [n, k] f32 (row stride ldw), multiplied by smoothing [k] where that is not NULL, symmetric s8 per row:
   *   scale = max |w| / 127, q = round(w / scale); a row of zeros gets scale 1.
   * Returns 0 if all values are finite, else 1 + the index of the first row with one that is not. */
  size_t (*quantize_weights)(const float *w, size_t ldw, const float *_Nullable smoothing, size_t n, size_t k,
                             int8_t *q, size_t ldq, float *scale);

  /* range[p] = max(range[p], max_j |w|) for each input channel p < k; w is [k, n] with `by_row`, else [n, k]. */
  void (*channel_ranges)(const float *w, size_t ldw, size_t n, size_t k, int by_row, float *range);
  /* Quantizes the columns of w [k, n] f32 (row stride ldw), row p multiplied by smoothing[p] where that is not NULL, as
   * quantize_weights does rows, straight into int8 panels, scale and sum of cloze_packed_columns; scale and sum are 0
   * beyond n. Returns 1, or 0 where a value is not finite; the results are then undefined. */
  int (*quantize_columns)(const float *w, size_t ldw, const float *_Nullable smoothing, size_t n, size_t k,
                          uint8_t *panels, float *scale, int32_t *sum);
  /* Packs w [k, n] f32 into panels of float32. Returns 1, or 0 where a value is not finite. */
  int (*pack_float_columns)(const float *w, size_t ldw, size_t n, size_t k, float *panels);

  /* y[j, i] = sum_p x[i, p] queries[j, p], the dot products of m rows x [m, d], at any address, with n queries [n, d];
   * y [n, m] with row stride ldy. The sum is 16 chains of fma over p = lane, lane + 16, ..., from 0, added as a tree;
   * it depends on nothing but its row and query. A row that is not finite has no finite product. */
  void (*dot_products)(const float *x, size_t ldx, const float *queries, size_t ldq, size_t m, size_t n, size_t d,
                       float *y, size_t ldy);
  /* The same of x s8 and queries s16, with d a multiple of CLOZE_SCAN_PADDING. Exact where
   * sum_p |x[i, p] queries[j, p]| is below 2^31. */
  void (*dot_products_int8)(const int8_t *x, size_t ldx, const int16_t *queries, size_t ldq, size_t m, size_t n,
                            size_t d, int32_t *y, size_t ldy);
} cloze_row_kernels;

/* Which values of a row are set to 0 in training: those whose hash of key, row and column is below `threshold`, a share
 * of threshold / 2^32; the others are multiplied by `scale`. With a threshold of 0, none, and scale is 1. */
typedef struct cloze_dropout {
  uint64_t key;
  uint32_t threshold;
  float scale;
} cloze_dropout;

/* A step of AdamW, as cloze_training_kernels.adamw takes it. */
typedef struct cloze_adamw {
  float gradient_scale; /* what gradients are multiplied by first */
  float beta1_rest;     /* 1 - beta1 */
  float beta2, beta2_rest;
  float keep;           /* 1 - learning rate x weight decay */
  float step_size;      /* learning rate / (1 - beta1^t) */
  float root;           /* sqrt(1 - beta2^t) */
  float epsilon;
} cloze_adamw;

/* The operators of training in float32, forward where inference has none that keeps what the backward pass needs, and
 * backward. Names of gradients begin with d_; what is said to be added to is read first. */
typedef struct cloze_training_kernels {
  /* c [m, n] = a b + bias, or c += a b where it `adds`, with a and b packed as cloze_matrix_kernels of float32 has
   * them; bias [n rounded up to nr], or NULL. */
  void (*multiply)(size_t m, size_t n, size_t k, cloze_packed_rows a, cloze_packed_columns b,
                   const float *_Nullable bias, int adds, float *c, size_t ldc);
  /* Packs the transpose of x [k, m] for the left side of a product. */
  void (*pack_transposed_rows)(const float *x, size_t ldx, size_t m, size_t k, cloze_packed_rows rows);

  /* d = d activation'(z) [count]. */
  void (*activate_backward)(const float *z, size_t count, int32_t activation, float *d);

  /* normalized = (v - mean) / sqrt(variance + epsilon), y = normalized gamma + beta, of each of m rows v = x + r [d];
   * inverse_deviation [m] = 1 / sqrt(variance + epsilon). r may be NULL; y may be x or r. */
  void (*layernorm_forward)(const float *x, const float *_Nullable r, const float *gamma, const float *beta,
                            float epsilon, size_t m, size_t d, float *normalized, float *inverse_deviation, float *y);
  /* Of d_y [m, d], with g = d_y gamma:
   *   d_x = inverse_deviation (g - mean(g) - normalized mean(g normalized))
   * d_gamma [d] and d_beta [d] are added to. d_x may be d_y. */
  void (*layernorm_backward)(const float *d_y, const float *normalized, const float *inverse_deviation,
                             const float *gamma, size_t m, size_t d, float *d_gamma, float *d_beta, float *d_x);

  /* y = x with dropout, m rows [d], of which the first has the number `row`; y may be x. */
  void (*dropout)(const float *x, size_t m, size_t d, cloze_dropout dropout, uint64_t row, float *y);
  /* y += x [count]. */
  void (*add)(const float *x, size_t count, float *y);
  /* y [d] += the sum of each column of x [m, d]. */
  void (*add_column_sums)(const float *x, size_t m, size_t d, float *y);

  /* Self-attention of one head over one sequence of s tokens, with p = softmax(scale q k^T + bias):
   *   out = dropout(p) v
   * q, k and v [s, d] with row stride ldx, out [s, d] with ldo. bias as in cloze_matrix_kernels.attention; nothing is
   * read beyond s.
   * Dropout numbers the rows of p from `row` on, row_step apart. scratch: attention_scratch(s, d) bytes, aligned to 64:
   * memory grows with s, not its square. */
  void (*attention_forward)(const float *q, const float *k, const float *v, size_t ldx, size_t s, size_t d,
                            float scale, const float *_Nullable bias, cloze_dropout dropout, uint64_t row,
                            uint64_t row_step, float *out, size_t ldo, void *scratch);
  /* The same backward, p computed again: d_q, d_k and d_v with row stride ldx of d_out with ldo; and where there is a
   * bias, d_bias[j - i] is added to for query i and key j. */
  void (*attention_backward)(const float *q, const float *k, const float *v, size_t ldx, size_t s, size_t d,
                             float scale, const float *_Nullable bias, cloze_dropout dropout, uint64_t row,
                             uint64_t row_step, const float *d_out, size_t ldo, float *d_q, float *d_k, float *d_v,
                             float *_Nullable d_bias, void *scratch);
  size_t (*attention_scratch)(size_t s, size_t d);

  /* sum exp(x - max x) [count], count >= 1; *max = max x. */
  float (*exp_sum)(const float *x, size_t count, float *max);
  /* x = share exp(x - log_sum) [count], for log_sum at least the largest x. */
  void (*scaled_exp)(float *x, size_t count, float log_sum, float share);

  /* With g = gradient_scale d_w, each [count]:
   *   m += beta1_rest (g - m),  v = beta2 v + beta2_rest g g,  w = keep w - step_size m / (sqrt(v) / root + epsilon) */
  void (*adamw)(float *w, float *m, float *v, const float *d_w, size_t count, const cloze_adamw *step);
} cloze_training_kernels;

/* Products of training in bfloat16: operands are packed as in float32, then rounded, to nearest even, with 0 for values
 * below 2^-56 (simd/bfloat16.h says why). c is float32, by the chain of fma over p = 0, 1, ..., k - 1 as there: the
 * bits are the same on every CPU, with an instruction for bfloat16 or without. */
typedef struct cloze_bfloat16_kernels {
  int32_t kr; /* 2: an instruction multiplies pairs of k. 1: none does, and panels are those of float32 */

  /* Rounds packed rows of m by k in place: ceil(k / kr) steps of four bytes remain of each row. */
  void (*round_rows)(cloze_packed_rows rows, size_t m, size_t k);
  /* Rounds one panel of columns in float32, [k, nr], to [ceil(k / kr), nr] of four bytes each; to may be panel. */
  void (*round_columns)(const float *panel, size_t k, void *to);

  /* As cloze_training_kernels.multiply, with a and b rounded. */
  void (*multiply)(size_t m, size_t n, size_t k, cloze_packed_rows a, cloze_packed_columns b,
                   const float *_Nullable bias, int adds, float *c, size_t ldc);
} cloze_bfloat16_kernels;

typedef struct cloze_kernels {
  const char *isa;
  int (*supported)(void); /* whether this CPU and operating system run it */
  const cloze_matrix_kernels *int8;
  const cloze_matrix_kernels *float32;
  const cloze_row_kernels *rows;
  const cloze_training_kernels *training;
  /* Products in bfloat16, by instructions of the CPU's own where it has them beside the variant's. */
  const cloze_bfloat16_kernels *_Nonnull (*_Nonnull bfloat16)(void);
} cloze_kernels;

/* The tables, best first, `count` of them: one a line of variants.inc that this build has. */
const cloze_kernels *_Nonnull const *_Nonnull cloze_kernels_all(size_t *count);

/* Sets the calling thread's floating-point control to rounding to nearest, no flushing to zero and no traps; returns
 * the previous state, for cloze_float_environment_restore. */
uint64_t cloze_float_environment_enter(void);
void cloze_float_environment_restore(uint64_t saved);

#pragma clang assume_nonnull end

#endif
