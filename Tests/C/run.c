/* Section 5 of cloze.h: running on token ids, what comes out. run_errors.c has what is refused. */
#include "check.h"

#include <math.h>

/* Three sequences of ids, one of them the shortest that makes sense. */
static const int32_t ids[] = {2, 100, 200, 300, 4, 3, 2, 3, 2, 5000, 6000, 3, 7000, 8000, 3};
static const int32_t type_ids[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1};
static const int32_t cu_seqlens[] = {0, 6, 8, 15};
enum { T = 15, B = 3, S = 7 };

static cloze_batch whole_batch(void) {
  return (cloze_batch){.struct_size = sizeof(cloze_batch),
      .batch_size = B,
      .input_ids = ids,
      .token_type_ids = type_ids,
      .cu_seqlens = cu_seqlens};
}

static cloze_output output_of(cloze_output_kind kind, float *values, size_t capacity) {
  return (cloze_output){.struct_size = sizeof(cloze_output), .kind = kind, .values = values, .capacity = capacity};
}

/* Runs one output into a fresh array of exactly the size that the query gives. */
static float *run_one(cloze_session *session, const cloze_batch *batch, cloze_output output, size_t expected_size) {
  output.values = NULL;
  output.capacity = 0;
  CHECK_OK(cloze_run(session, batch, &output, 1));
  CHECK(output.size == expected_size);
  float *values = allocate(output.size, sizeof *values);
  for (size_t i = 0; i < output.size; i++) values[i] = NAN;
  output.values = values;
  output.capacity = output.size;
  output.size = 0;
  CHECK_OK(cloze_run(session, batch, &output, 1));
  CHECK(output.size == expected_size);
  for (size_t i = 0; i < output.size; i++) CHECK(isfinite(values[i]));
  return values;
}

static int same(const float *a, const float *b, size_t count) { return memcmp(a, b, count * sizeof *a) == 0; }

static void sizes_of_all_outputs(void) {
  cloze_session *session = open_session(1);
  cloze_batch batch = whole_batch();
  static const struct {
    cloze_output_kind kind;
    size_t size;
  } kinds[] = {{CLOZE_OUTPUT_HIDDEN, T * D}, {CLOZE_OUTPUT_EMBEDDING, B * D}, {CLOZE_OUTPUT_POOLER, B * D},
      {CLOZE_OUTPUT_MLM, (size_t)T * V}, {CLOZE_OUTPUT_NSP, B * 2}};
  for (size_t i = 0; i < COUNT(kinds); i++) {
    free(run_one(session, &batch, output_of(kinds[i].kind, NULL, 0), kinds[i].size));
  }
  cloze_session_free(session);
}

static void several_outputs_of_one_run(void) {
  cloze_session *session = open_session(1);
  cloze_batch batch = whole_batch();
  float *hidden = run_one(session, &batch, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), T * D);
  float *pooler = run_one(session, &batch, output_of(CLOZE_OUTPUT_POOLER, NULL, 0), B * D);
  float *nsp = run_one(session, &batch, output_of(CLOZE_OUTPUT_NSP, NULL, 0), B * 2);
  float *together[] = {allocate(T * D, sizeof(float)), allocate(B * D, sizeof(float)), allocate(B * 2, sizeof(float))};
  cloze_output outputs[] = {output_of(CLOZE_OUTPUT_HIDDEN, together[0], T * D),
      output_of(CLOZE_OUTPUT_POOLER, together[1], B * D), output_of(CLOZE_OUTPUT_NSP, together[2], B * 2)};
  CHECK_OK(cloze_run(session, &batch, outputs, COUNT(outputs)));
  CHECK(same(hidden, together[0], T * D) && same(pooler, together[1], B * D) && same(nsp, together[2], B * 2));
  for (size_t i = 0; i < COUNT(together); i++) free(together[i]);
  free(hidden);
  free(pooler);
  free(nsp);
  cloze_session_free(session);
}

/* A sequence's result is the same to the last bit alone and in any batch. */
static void company_does_not_matter(void) {
  cloze_session *session = open_session(2);
  cloze_batch batch = whole_batch();
  float *hidden = run_one(session, &batch, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), T * D);
  float *mlm = run_one(session, &batch, output_of(CLOZE_OUTPUT_MLM, NULL, 0), (size_t)T * V);
  float *nsp = run_one(session, &batch, output_of(CLOZE_OUTPUT_NSP, NULL, 0), B * 2);
  for (size_t i = 0; i < B; i++) {
    size_t begin = (size_t)cu_seqlens[i], length = (size_t)(cu_seqlens[i + 1] - cu_seqlens[i]);
    int32_t ends[] = {0, (int32_t)length};
    cloze_batch alone = {.struct_size = sizeof alone,
        .batch_size = 1,
        .input_ids = ids + begin,
        .token_type_ids = type_ids + begin,
        .cu_seqlens = ends};
    float *values = run_one(session, &alone, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), length * D);
    CHECK(same(values, hidden + begin * D, length * D));
    free(values);
    values = run_one(session, &alone, output_of(CLOZE_OUTPUT_MLM, NULL, 0), length * V);
    CHECK(same(values, mlm + begin * V, length * V));
    free(values);
    values = run_one(session, &alone, output_of(CLOZE_OUTPUT_NSP, NULL, 0), 2);
    CHECK(same(values, nsp + i * 2, 2));
    free(values);
  }
  free(hidden);
  free(mlm);
  free(nsp);
  cloze_session_free(session);
}

static void layers(void) {
  cloze_session *session = open_session(1);
  cloze_batch batch = whole_batch();
  static const int32_t all[] = {0, 1, 2, 3, 4, -1, -5};
  cloze_output output = output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0);
  output.layers = all;
  output.layer_count = COUNT(all);
  float *values = run_one(session, &batch, output, T * COUNT(all) * D);
  output.layers = NULL;
  output.layer_count = 0;
  float *last = run_one(session, &batch, output, T * D);
  for (size_t t = 0; t < T; t++) {
    const float *token = values + t * COUNT(all) * D;
    CHECK(same(token + 4 * D, last + t * D, D)); /* L is the last */
    CHECK(same(token + 5 * D, last + t * D, D)); /* and so is -1 */
    CHECK(same(token + 6 * D, token, D));        /* -(L + 1) is the embedding sum */
    CHECK(!same(token, token + D, D));
  }
  free(values);
  free(last);
  cloze_session_free(session);
}

static void positions(void) {
  cloze_session *session = open_session(1);
  cloze_batch batch = whole_batch();
  static const int64_t some[] = {14, 4, 0, 4};
  static const struct {
    cloze_output_kind kind;
    size_t width;
  } kinds[] = {{CLOZE_OUTPUT_HIDDEN, D}, {CLOZE_OUTPUT_MLM, V}};
  for (size_t k = 0; k < COUNT(kinds); k++) {
    size_t width = kinds[k].width;
    cloze_output output = output_of(kinds[k].kind, NULL, 0);
    float *all = run_one(session, &batch, output, T * width);
    output.positions = some;
    output.position_count = COUNT(some);
    float *picked = run_one(session, &batch, output, COUNT(some) * width);
    for (size_t i = 0; i < COUNT(some); i++) {
      CHECK(same(picked + i * width, all + (size_t)some[i] * width, width));
    }
    free(all);
    free(picked);
  }
  cloze_session_free(session);
}

static void pooling_and_dimensions(void) {
  cloze_session *session = open_session(1);
  cloze_batch batch = whole_batch();
  float *hidden = run_one(session, &batch, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), T * D);
  cloze_output output = output_of(CLOZE_OUTPUT_EMBEDDING, NULL, 0);
  output.normalize = 2;
  output.pooling = CLOZE_POOLING_MEAN;
  float *mean = run_one(session, &batch, output, B * D);
  output.pooling = CLOZE_POOLING_CLS;
  float *cls = run_one(session, &batch, output, B * D);
  output.pooling = CLOZE_POOLING_MAX;
  float *max = run_one(session, &batch, output, B * D);
  output.pooling = CLOZE_POOLING_MEAN_SQRT_LEN;
  float *mean_sqrt = run_one(session, &batch, output, B * D);
  output.pooling = CLOZE_POOLING_LAST_TOKEN;
  float *last = run_one(session, &batch, output, B * D);
  output.pooling = CLOZE_POOLING_WEIGHTED_MEAN;
  float *weighted = run_one(session, &batch, output, B * D);
  output.pooling = CLOZE_POOLING_POOLER;
  float *pooler = run_one(session, &batch, output, B * D);
  float *pooler_output = run_one(session, &batch, output_of(CLOZE_OUTPUT_POOLER, NULL, 0), B * D);
  CHECK(same(pooler, pooler_output, B * D));
  for (size_t b = 0; b < B; b++) {
    size_t begin = (size_t)cu_seqlens[b], end = (size_t)cu_seqlens[b + 1];
    CHECK(same(cls + b * D, hidden + begin * D, D));
    CHECK(same(last + b * D, hidden + (end - 1) * D, D));
    for (size_t d = 0; d < D; d++) {
      double sum = 0, largest = -INFINITY, size = 0, weighted_sum = 0;
      for (size_t t = begin; t < end; t++) {
        sum += hidden[t * D + d];
        size += fabs(hidden[t * D + d]);
        weighted_sum += (double)(t - begin + 1) * hidden[t * D + d];
        largest = fmax(largest, hidden[t * D + d]);
      }
      double count = (double)(end - begin);
      /* One rounding of each addition and of the division: eps * (n + 1) * sum of absolute values.
       */
      double tolerance = 1.2e-7 * (count + 1) * size;
      CHECK(fabs(mean[b * D + d] - sum / count) <= tolerance / count);
      CHECK(fabs(mean_sqrt[b * D + d] - sum / sqrt(count)) <= tolerance / sqrt(count));
      CHECK(max[b * D + d] == (float)largest);
      /* Of weights up to n, the sum of absolute values is up to n times as large. */
      double weights = count * (count + 1) / 2;
      CHECK(fabs(weighted[b * D + d] - weighted_sum / weights) <= tolerance * count / weights);
    }
  }

  output.pooling = CLOZE_POOLING_MEAN;
  output.normalize = 1;
  output.dimensions = 64;
  float *short_ones = run_one(session, &batch, output, B * 64);
  for (size_t b = 0; b < B; b++) {
    double length = 0, kept = 0;
    for (size_t d = 0; d < 64; d++) {
      length += (double)short_ones[b * 64 + d] * short_ones[b * 64 + d];
      kept += (double)mean[b * D + d] * mean[b * D + d];
    }
    CHECK(fabs(length - 1) < 64 * 1.2e-7 * 4);
    for (size_t d = 0; d < 64; d++) {
      CHECK(fabs(short_ones[b * 64 + d] - mean[b * D + d] / sqrt(kept)) < 1.2e-7 * 64);
    }
  }
  float *freed[] = {hidden, mean, cls, max, mean_sqrt, last, weighted, pooler, pooler_output, short_ones};
  for (size_t i = 0; i < COUNT(freed); i++) free(freed[i]);
  cloze_session_free(session);
}

#define CONVERTED(type, name, values, count) \
  type name[count];                          \
  for (size_t i_ = 0; i_ < (count); i_++) name[i_] = (type)(values)[i_]

static void integers_of_any_width(void) {
  cloze_session *session = open_session(1);
  cloze_batch batch = whole_batch();
  float *expected = run_one(session, &batch, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), T * D);
  CONVERTED(int64_t, ids64, ids, T);
  CONVERTED(int16_t, ids16, ids, T);
  CONVERTED(uint64_t, idsu64, ids, T);
  CONVERTED(uint32_t, idsu32, ids, T);
  CONVERTED(uint16_t, idsu16, ids, T);
  CONVERTED(int64_t, types64, type_ids, T);
  CONVERTED(int16_t, types16, type_ids, T);
  CONVERTED(uint64_t, typesu64, type_ids, T);
  CONVERTED(uint32_t, typesu32, type_ids, T);
  CONVERTED(uint16_t, typesu16, type_ids, T);
  CONVERTED(uint8_t, ends8, cu_seqlens, B + 1);
  CONVERTED(int8_t, ends8s, cu_seqlens, B + 1);
  CONVERTED(int64_t, ends64, cu_seqlens, B + 1);
  const struct {
    cloze_integer type;
    const void *ids, *type_ids;
    cloze_integer ends_type;
    const void *ends;
  } cases[] = {{CLOZE_INT64, ids64, types64, CLOZE_INT64, ends64}, {CLOZE_INT16, ids16, types16, CLOZE_INT8, ends8s},
      {CLOZE_UINT64, idsu64, typesu64, CLOZE_UINT8, ends8}, {CLOZE_UINT32, idsu32, typesu32, CLOZE_INT32, cu_seqlens},
      {CLOZE_UINT16, idsu16, typesu16, CLOZE_INT32, cu_seqlens}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    batch.input_ids = cases[i].ids;
    batch.token_type_ids = cases[i].type_ids;
    batch.cu_seqlens = cases[i].ends;
    batch.integer_type = cases[i].type;
    batch.cu_seqlens_type = cases[i].ends_type;
    float *values = run_one(session, &batch, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), T * D);
    CHECK(same(values, expected, T * D));
    free(values);
  }
  free(expected);
  cloze_session_free(session);
}

static void type_ids_are_zero_where_absent(void) {
  cloze_session *session = open_session(1);
  cloze_batch batch = whole_batch();
  int32_t zeros[T] = {0};
  batch.token_type_ids = zeros;
  float *expected = run_one(session, &batch, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), T * D);
  batch.token_type_ids = NULL;
  float *values = run_one(session, &batch, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), T * D);
  CHECK(same(values, expected, T * D));
  free(values);
  free(expected);
  cloze_session_free(session);
}

/* The rows of a padded batch hold their tokens at the left, at the right, and with a gap. */
static void padded_equals_ragged(void) {
  cloze_session *session = open_session(1);
  cloze_batch batch = whole_batch();
  static const size_t places[B][S] = {{0, 1, 2, 3, 4, 5}, {5, 6}, {0, 1, 2, 3, 4, 5, 6}};
  int64_t padded_ids[B][S] = {{0}}, mask[B][S] = {{0}}, types[B][S] = {{0}};
  for (size_t b = 0; b < B; b++) {
    for (size_t i = 0; i < (size_t)(cu_seqlens[b + 1] - cu_seqlens[b]); i++) {
      size_t t = (size_t)cu_seqlens[b] + i;
      padded_ids[b][places[b][i]] = ids[t];
      types[b][places[b][i]] = type_ids[t];
      mask[b][places[b][i]] = 1;
    }
  }
  cloze_padded_batch padded = {.struct_size = sizeof padded,
      .batch_size = B,
      .sequence_length = S,
      .input_ids = padded_ids,
      .attention_mask = mask,
      .token_type_ids = types,
      .integer_type = CLOZE_INT64};
  float *ragged_hidden = run_one(session, &batch, output_of(CLOZE_OUTPUT_HIDDEN, NULL, 0), T * D);
  float *ragged_nsp = run_one(session, &batch, output_of(CLOZE_OUTPUT_NSP, NULL, 0), B * 2);
  float *hidden = allocate(B * S * D, sizeof *hidden), *nsp = allocate(B * 2, sizeof *nsp);
  for (size_t i = 0; i < B * S * D; i++) hidden[i] = NAN;
  cloze_output outputs[] = {output_of(CLOZE_OUTPUT_HIDDEN, hidden, B * S * D), output_of(CLOZE_OUTPUT_NSP, nsp, B * 2)};
  CHECK_OK(cloze_run_padded(session, &padded, outputs, COUNT(outputs)));
  CHECK(outputs[0].size == B * S * D && outputs[1].size == B * 2);
  CHECK(same(nsp, ragged_nsp, B * 2));
  for (size_t b = 0; b < B; b++) {
    size_t next = (size_t)cu_seqlens[b];
    for (size_t s = 0; s < S; s++) {
      const float *row = hidden + (b * S + s) * D;
      if (mask[b][s]) {
        CHECK(same(row, ragged_hidden + next++ * D, D));
      } else {
        for (size_t d = 0; d < D; d++) CHECK(row[d] == 0);
      }
    }
  }
  int64_t position = 4; /* row 0, token 4, which is the [MASK] */
  cloze_output picked = output_of(CLOZE_OUTPUT_HIDDEN, hidden, D);
  picked.positions = &position;
  picked.position_count = 1;
  CHECK_OK(cloze_run_padded(session, &padded, &picked, 1));
  CHECK(same(hidden, ragged_hidden + 4 * D, D));
  free(ragged_hidden);
  free(ragged_nsp);
  free(hidden);
  free(nsp);
  cloze_session_free(session);
}

static const struct test tests[] = {
    {"sizes_of_all_outputs", sizes_of_all_outputs},
    {"several_outputs_of_one_run", several_outputs_of_one_run},
    {"company_does_not_matter", company_does_not_matter},
    {"layers", layers},
    {"positions", positions},
    {"pooling_and_dimensions", pooling_and_dimensions},
    {"integers_of_any_width", integers_of_any_width},
    {"type_ids_are_zero_where_absent", type_ids_are_zero_where_absent},
    {"padded_equals_ragged", padded_equals_ragged},
};

MAIN(tests)
