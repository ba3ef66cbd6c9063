/* Runs every operator of every kernel variant that the CPU supports over the same inputs and prints a hash of the
 * outputs, one line per variant and operator. Variants must agree with the scalar one: exit status 1 where one does
 * not. The hashes of one machine can be compared with those of another (cross-check.sh).
 *
 *   agree [ISA ...]   each ISA must have run, else exit status 2; avx512bf16 is that of a product in bfloat16
 *
 * Uses the C library for memory and printing only, so that it links statically and runs under an emulator. */
#include "cloze_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a variant that the CPU doesn't support runs even so; where emulate_avxvnni.c is linked. */
__attribute__((weak)) int emulated(const char *isa);

#define ROUND_UP(x, to) (((x) + (to) - 1) / (to) * (to))
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* FNV-1a, Fowler, Noll, Vo 1991. */
static uint64_t hash(uint64_t h, const void *bytes, size_t count) {
  for (const unsigned char *p = bytes; count--; p++) h = (h ^ *p) * 0x100000001b3u;
  return h;
}

/* SplitMix64, Steele, Lea, Flood 2014. */
static uint64_t seed;
static uint64_t next(void) {
  uint64_t z = seed += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Values of many magnitudes, a few exact zeros and repeated extremes. */
static float value(void) {
  uint64_t r = next();
  float v = (float)(int32_t)(r >> 32) * 0x1p-30f;
  switch (r & 31) {
    case 0: return 0.0f;
    case 1: return v * 64.0f;
    case 2: return v * 0x1p-20f;
    case 3: return 2.0f;
    case 4: return -2.0f;
    default: return v;
  }
}

static void *memory(size_t bytes) {
  void *p = aligned_alloc(64, ROUND_UP(bytes + 1, 64));
  if (!p) abort();
  memset(p, 0xcb, ROUND_UP(bytes + 1, 64));
  return p;
}

static float *values(size_t count) {
  float *p = memory(count * sizeof *p);
  for (size_t i = 0; i < count; i++) p[i] = value();
  return p;
}

static uint64_t product(const cloze_kernels *variant, const cloze_matrix_kernels *kernels, uint64_t h) {
  static const size_t ms[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25}, ns[] = {1, 15, 16, 17, 31, 32, 33, 65},
                      ks[] = {1, 2, 3, 4, 5, 16, 19, 33, 64, 385};
  for (size_t at = 0; at < COUNT(ms) * COUNT(ns) * COUNT(ks); at++) {
    size_t m = ms[at % COUNT(ms)], n = ns[at / COUNT(ms) % COUNT(ns)], k = ks[at / COUNT(ms) / COUNT(ns)];
    size_t kk = ROUND_UP(k, (size_t)kernels->kr), nn = ROUND_UP(n, (size_t)kernels->nr);
    seed = at;
    float *x = values(m * k), *w = values(n * k), *smoothing = values(k);
    float *bias = memory(nn * 4), *c = memory(m * n * 4);
    for (size_t i = 0; i < n; i++) bias[i] = value();
    for (size_t i = n; i < nn; i++) bias[i] = 0;
    cloze_packed_rows a = {memory(kernels->packed_rows_size(m, k)), memory(m * 4), memory(m * 4)};
    char *panels = memory(nn * kk * (size_t)kernels->column_element_size);
    int32_t *sum = memory(nn * 4);
    float *scale = memory(nn * 4);
    int8_t *q = memory(n * k);
    int is_int8 = kernels == variant->int8;
    if (is_int8) {
      size_t bad = variant->rows->quantize_weights(w, k, at & 1 ? smoothing : NULL, n, k, q, k, scale);
      h = hash(h, &bad, sizeof(uint32_t));
      h = hash(h, q, n * k);
      h = hash(h, scale, n * 4);
      for (size_t i = n; i < nn; i++) scale[i] = 0;
    }
    kernels->pack_columns(is_int8 ? (void *)q : w, k, n, k, panels, sum);
    kernels->pack_rows(x, k, at & 2 ? smoothing : NULL, m, k, a);
    if (is_int8) h = hash(h, a.scale, m * 4);
    for (int32_t activation = 0; activation <= CLOZE_ACTIVATION_QUICK_GELU; activation++) {
      if (activation > 1 && at % 7) continue;
      cloze_packed_columns b = {panels, scale, sum};
      cloze_epilogue epilogue = {at % 3 ? bias : NULL, activation};
      kernels->multiply(m, n, k, a, b, epilogue, c, n);
      h = hash(h, c, m * n * 4);
    }
    free(x), free(w), free(smoothing), free(bias), free(c), free(a.panels), free(a.scale), free(a.zero);
    free(panels), free(sum), free(scale), free(q);
  }
  return h;
}

static uint64_t attention(const cloze_matrix_kernels *kernels, uint64_t h) {
  static const size_t lengths[] = {1, 2, 3, 15, 16, 17, 31, 33, 63, 97}, sizes[] = {1, 4, 12, 16, 17, 32, 64, 65};
  for (size_t at = 0; at < COUNT(lengths) * COUNT(sizes); at++) {
    size_t s = lengths[at % COUNT(lengths)], d = sizes[at / COUNT(lengths)], ldx = 3 * d + at % 5;
    seed = at;
    float *x = values(s * ldx), *out = memory(s * d * 4);
    void *scratch = memory(kernels->attention_scratch(s, d));
    size_t cut = at % 3 ? s : s / 2;
    float scale = at % 2 ? 0.25f : 0.004f; /* nearly all probability on one key, or spread over all */
    float *biases = values(s - 1 + ROUND_UP(s, 16));
    const float *const bias[] = {NULL, biases + s - 1};
    for (size_t b = 0; b < COUNT(bias); b++) {
      kernels->attention(x, x + d, x + 2 * d, ldx, s, d, scale, bias[b], 0, cut, out, d, scratch);
      kernels->attention(x, x + d, x + 2 * d, ldx, s, d, scale, bias[b], cut, s, out, d, scratch);
      h = hash(h, out, s * d * 4);
    }
    free(x), free(out), free(scratch), free(biases);
  }
  return h;
}

/* Where sums are largest: all activations at one end of their range or the other, all weights too, over the largest k,
 * and in attention equal scores. */
static uint64_t corners(const cloze_kernels *variant, uint64_t h) {
  enum { M = 13, N = 17, S = 2000, D = 65 };
  static const size_t ks[] = {1, 31, 1027, 65535, 65536};
  const cloze_matrix_kernels *kernels = variant->int8;
  for (size_t at = 0; at < COUNT(ks); at++) {
    size_t k = ks[at], kk = ROUND_UP(k, (size_t)kernels->kr), nn = ROUND_UP(N, (size_t)kernels->nr);
    float *x = memory(M * k * 4), *scale = memory(nn * 4), c[M * N];
    int8_t *q = memory(N * k);
    int32_t *sum = memory(nn * 4);
    /* Row or column 0 has one sign throughout, 1 the other; the others change it every 1, 2, 3, ... values. */
    for (size_t i = 0; i < M; i++)
      for (size_t p = 0; p < k; p++) x[i * k + p] = (i < 2 ? i : p / (i - 1) % 2) ? -1.0f : 1.0f;
    for (size_t j = 0; j < N; j++)
      for (size_t p = 0; p < k; p++) q[j * k + p] = (j < 2 ? j : p / (j - 1) % 2) ? -127 : 127;
    for (size_t j = 0; j < nn; j++) scale[j] = j < N ? 1.0f : 0.0f;
    cloze_packed_rows a = {memory(kernels->packed_rows_size(M, k)), memory(M * 4), memory(M * 4)};
    char *panels = memory(nn * kk);
    kernels->pack_columns(q, k, N, k, panels, sum);
    kernels->pack_rows(x, k, NULL, M, k, a);
    cloze_packed_columns b = {panels, scale, sum};
    kernels->multiply(M, N, k, a, b, (cloze_epilogue){NULL, 0}, c, N);
    h = hash(h, c, sizeof c);
    free(x), free(scale), free(q), free(sum), free(a.panels), free(a.scale), free(a.zero), free(panels);
  }
  float *x = memory(S * D * 4), *out = memory(M * D * 4);
  void *scratch = memory(kernels->attention_scratch(S, D));
  for (size_t i = 0; i < S * D; i++) x[i] = i % D & 1 ? -1.0f : 1.0f;
  kernels->attention(x, x, x, D, S, D, 0.125f, NULL, 0, M, out, D, scratch);
  h = hash(h, out, M * D * 4);
  free(x), free(out), free(scratch);
  return h;
}

static uint64_t rows(const cloze_row_kernels *kernels, uint64_t h) {
  for (size_t d = 1; d < 100; d++) {
    enum { M = 3 };
    seed = d;
    float *x = values(M * d), *r = values(M * d), *gamma = values(d), *beta = values(d), *y = memory(M * d * 4);
    int8_t *word = memory(d);
    for (size_t i = 0; i < d; i++) word[i] = (int8_t)(next() % 255 - 127);
    kernels->layernorm(x, d, d & 1 ? r : NULL, d, gamma, beta, 1e-12f, M, d, y, d);
    h = hash(h, y, M * d * 4);
    kernels->embedding_sum(word, 0.01f, d & 1 ? gamma : NULL, x, r, d, y);
    h = hash(h, y, d * 4);
    kernels->column_sum(x, d, M, d, y);
    h = hash(h, y, d * 4);
    kernels->column_max(x, d, M, d, y);
    h = hash(h, y, d * 4);
    kernels->column_weighted_sum(x, d, M, d, y);
    h = hash(h, y, d * 4);
    for (int32_t activation = 0; activation <= CLOZE_ACTIVATION_QUICK_GELU; activation++) {
      memcpy(y, x, M * d * 4);
      kernels->activate(y, M * d, activation);
      h = hash(h, y, M * d * 4);
    }
    float total = kernels->sum_of_squares(x, M * d);
    h = hash(h, &total, 4);
    kernels->scale(r, M * d, 0.3f);
    h = hash(h, r, M * d * 4);
    kernels->softmax(x, M * d);
    h = hash(h, x, M * d * 4);
    free(x), free(r), free(gamma), free(beta), free(y), free(word);
  }
  return h;
}

static uint64_t scan(const cloze_row_kernels *kernels, uint64_t h) {
  for (size_t d = 1; d < 100; d++) {
    enum { M = 5 };
    size_t n = 1 + d % 9, padded = ROUND_UP(d, (size_t)CLOZE_SCAN_PADDING);
    seed = d;
    float *x = values(M * d), *queries = values(n * d), *y = memory(M * n * 4);
    int8_t *bytes = memory(M * padded);
    int16_t *shorts = memory(n * padded * 2);
    int32_t *sums = memory(M * n * 4);
    for (size_t i = 0; i < M * padded; i++) bytes[i] = (int8_t)(next() % 255 - 127);
    for (size_t i = 0; i < n * padded; i++) shorts[i] = (int16_t)(next() % 65535 - 32767);
    kernels->dot_products(x, d, queries, d, M, n, d, y, M);
    h = hash(h, y, M * n * 4);
    kernels->dot_products_int8(bytes, padded, shorts, padded, M, n, padded, sums, M);
    h = hash(h, sums, M * n * 4);
    free(x), free(queries), free(y), free(bytes), free(shorts), free(sums);
  }
  return h;
}

static uint64_t training_rows(const cloze_training_kernels *kernels, uint64_t h) {
  for (size_t d = 1; d < 100; d++) {
    enum { M = 3 };
    seed = d;
    size_t count = M * d;
    float *x = values(count), *r = values(count), *gamma = values(d), *beta = values(d), *y = memory(count * 4);
    float *normalized = memory(count * 4), inverse_deviation[M], *m = values(count), *v = values(count);
    const cloze_dropout dropout = {.key = d, .threshold = 0x40000000u, .scale = 4.0f / 3.0f};
    const cloze_adamw step = {0.7f, 0.1f, 0.999f, 0.001f, 0.9f, 0.01f, 0.2f, 1e-8f};
    kernels->layernorm_forward(x, d & 1 ? r : NULL, gamma, beta, 1e-5f, M, d, normalized, inverse_deviation, y);
    h = hash(hash(hash(h, y, count * 4), normalized, count * 4), inverse_deviation, sizeof inverse_deviation);
    kernels->layernorm_backward(r, normalized, inverse_deviation, beta, M, d, gamma, beta, y);
    h = hash(hash(hash(h, y, count * 4), gamma, d * 4), beta, d * 4);
    for (int32_t activation = 0; activation <= CLOZE_ACTIVATION_QUICK_GELU; activation++) {
      memcpy(y, r, count * 4);
      kernels->activate_backward(x, count, activation, y);
      h = hash(h, y, count * 4);
    }
    kernels->dropout(x, M, d, dropout, 7, y);
    h = hash(h, y, count * 4);
    kernels->add(x, count, y);
    kernels->add_column_sums(x, M, d, y);
    h = hash(h, y, count * 4);
    float most, sum = kernels->exp_sum(x, count, &most);
    kernels->scaled_exp(x, count, most, 0.3f);
    h = hash(hash(hash(h, &sum, 4), &most, 4), x, count * 4);
    for (size_t i = 0; i < count; i++) v[i] = v[i] < 0 ? -v[i] : v[i];
    kernels->adamw(y, m, v, r, count, &step);
    h = hash(hash(hash(h, y, count * 4), m, count * 4), v, count * 4);
    free(x), free(r), free(gamma), free(beta), free(y), free(normalized), free(m), free(v);
  }
  return h;
}

/* c = x^T w + bias or c += x^T w, in float32 and, where it is not NULL, in bfloat16; x [k, ldx], w [k, n]. */
static uint64_t training_product(const cloze_kernels *variant, const cloze_bfloat16_kernels *bfloat16, uint64_t h) {
  static const size_t ms[] = {1, 5, 12, 13, 29}, ns[] = {1, 16, 31, 48, 65}, ks[] = {1, 3, 16, 130};
  /* Products and sums in the middle of the range, and near both of its ends. */
  static const float scales[] = {1, 0x1p-56f, 0x1p-62f, 0x1p50f};
  const cloze_matrix_kernels *kernels = variant->float32;
  const size_t nr = (size_t)kernels->nr;
  for (size_t at = 0; at < COUNT(ms) * COUNT(ns) * COUNT(ks); at++) {
    size_t m = ms[at % COUNT(ms)], n = ns[at / COUNT(ms) % COUNT(ns)], k = ks[at / COUNT(ms) / COUNT(ns)];
    size_t ldx = m + at % 3, nn = ROUND_UP(n, nr);
    seed = at;
    float *x = values(k * ldx), *w = values(k * n), *c = values(m * n), *bias = values(nn);
    float *panels = memory(nn * k * 4);
    for (size_t i = 0; i < k * ldx; i++) x[i] *= scales[at % COUNT(scales)];
    for (size_t i = 0; i < k * n; i++) w[i] *= scales[at % COUNT(scales)];
    cloze_packed_rows a = {.panels = memory(kernels->packed_rows_size(m, k))};
    cloze_packed_columns b = {.panels = panels};
    variant->training->pack_transposed_rows(x, ldx, m, k, a);
    variant->rows->pack_float_columns(w, n, n, k, panels);
    if (bfloat16) {
      size_t kr = (size_t)bfloat16->kr, steps = (k + kr - 1) / kr;
      bfloat16->round_rows(a, m, k);
      for (size_t j = 0; j < nn; j += nr) bfloat16->round_columns(panels + j * k, k, panels + j * steps);
    }
    if (bfloat16) bfloat16->multiply(m, n, k, a, b, at % 2 ? bias : NULL, at % 3 == 0, c, n);
    else variant->training->multiply(m, n, k, a, b, at % 2 ? bias : NULL, at % 3 == 0, c, n);
    h = hash(h, c, m * n * 4);
    free(x), free(w), free(c), free(bias), free(a.panels), free(panels);
  }
  return h;
}

static uint64_t training_attention(const cloze_training_kernels *kernels, uint64_t h) {
  static const size_t lengths[] = {1, 3, 16, 31, 48, 49, 97, 130}, sizes[] = {1, 12, 16, 17, 64};
  for (size_t at = 0; at < COUNT(lengths) * COUNT(sizes); at++) {
    size_t s = lengths[at % COUNT(lengths)], d = sizes[at / COUNT(lengths)], ldx = 4 * d + at % 5, count = s * ldx;
    seed = at;
    float *x = values(count), *out = memory(count * 4), *d_q = memory(count * 4), *d_k = memory(count * 4);
    float *d_v = memory(count * 4), *biases = values(2 * s), *d_bias = values(2 * s);
    void *scratch = memory(kernels->attention_scratch(s, d));
    const float *bias = at % 3 ? biases + s : NULL;
    const cloze_dropout dropout = {.key = at, .threshold = at % 2 ? 0x20000000u : 0, .scale = at % 2 ? 8.0f / 7.0f : 1};
    kernels->attention_forward(x, x + d, x + 2 * d, ldx, s, d, 0.25f, bias, dropout, at, 3, out, ldx, scratch);
    kernels->attention_backward(x, x + d, x + 2 * d, ldx, s, d, 0.25f, bias, dropout, at, 3, x + 3 * d, ldx, d_q, d_k,
                                d_v, d_bias + s, scratch);
    for (size_t i = 0; i < s; i++)
      for (float *const *y = (float *[]){out, d_q, d_k, d_v, NULL}; *y; y++) h = hash(h, *y + i * ldx, d * 4);
    h = hash(h, d_bias, 2 * s * 4);
    free(x), free(out), free(d_q), free(d_k), free(d_v), free(biases), free(d_bias), free(scratch);
  }
  return h;
}

int main(int argc, char **argv) {
  static const char *const names[] = {"int8 product",      "int8 attention", "int8 corners",     "float32 product",
                                      "float32 attention", "rows",           "scan",             "training rows",
                                      "training product",  "bfloat16 product", "training attention"};
  uint64_t expected[COUNT(names)];
  size_t count;
  int differences = 0, missing = 0;
  const cloze_kernels *const *all = cloze_kernels_all(&count);
  uint64_t saved = cloze_float_environment_enter();
  for (size_t i = count; i--;) { /* scalar, the last, comes first */
    const cloze_kernels *variant = all[i];
    if (!variant->supported() && !(emulated && emulated(variant->isa))) continue;
    const cloze_bfloat16_kernels *bfloat16 = variant->bfloat16();
    for (int j = 1; j < argc; j++)
      if (!strcmp(argv[j], variant->isa) || (bfloat16->kr > 1 && !strcmp(argv[j], "avx512bf16"))) argv[j] = "";
    const uint64_t start = 0xcbf29ce484222325u, found[COUNT(names)] = {
        product(variant, variant->int8, start), attention(variant->int8, start), corners(variant, start),
        product(variant, variant->float32, start), attention(variant->float32, start), rows(variant->rows, start),
        scan(variant->rows, start), training_rows(variant->training, start),
        training_product(variant, NULL, start), training_product(variant, bfloat16, start),
        training_attention(variant->training, start)};
    for (size_t j = 0; j < COUNT(names); j++) {
      if (i == count - 1) expected[j] = found[j];
      int differs = found[j] != expected[j];
      differences += differs;
      printf("%s: %s %016llx%s\n", variant->isa, names[j], (unsigned long long)found[j],
             differs ? " differs from scalar" : "");
    }
  }
  cloze_float_environment_restore(saved);
  for (int j = 1; j < argc; j++)
    if (*argv[j]) fprintf(stderr, "%s did not run on this CPU\n", argv[j]), missing = 1;
  return differences ? 1 : missing ? 2 : 0;
}
