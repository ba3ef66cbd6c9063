/* Exact search of vectors. */
#include "check.h"

#include <math.h>

enum { ROWS = 300, DIM = 20, QUERIES = 7, K = 10 };

/* Numbers of a linear congruential generator (Knuth's MMIX), from -1 to 1. */
static float *numbers(size_t count) {
  static uint64_t state = 1;
  float *values = allocate(count, sizeof *values);
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    values[i] = (float)((double)(state >> 40) / 8388608.0 - 1.0);
  }
  return values;
}

static cloze_index *create(const float *vectors, cloze_precision precision) {
  cloze_index_options options = {.struct_size = sizeof options, .precision = precision, .threads = 2};
  cloze_index *index = NULL;
  CHECK_OK(cloze_index_create(vectors, ROWS, DIM, &options, &index));
  CHECK(index != NULL);
  return index;
}

static void finds_the_nearest(void) {
  float *vectors = numbers(ROWS * DIM), *queries = numbers(QUERIES * DIM);
  memcpy(vectors + 200 * DIM, vectors + 100 * DIM, DIM * sizeof *vectors); /* a tie */
  memcpy(queries, vectors + 100 * DIM, DIM * sizeof *vectors);
  int64_t indices[QUERIES * K], again[QUERIES * K];
  float scores[QUERIES * K], same[QUERIES * K];
  CHECK_OK(cloze_search(vectors, ROWS, DIM, queries, QUERIES, K, 0, indices, scores, QUERIES * K));
  CHECK(indices[0] == 100 && indices[1] == 200 && scores[0] == scores[1]);
  for (size_t q = 0; q < QUERIES; q++)
    for (size_t i = 0; i < ROWS; i++) {
      double sum = 0;
      int64_t rank = -1;
      for (size_t d = 0; d < DIM; d++) sum += (double)vectors[i * DIM + d] * queries[q * DIM + d];
      for (size_t k = 0; k < K; k++)
        if (indices[q * K + k] == (int64_t)i) rank = (int64_t)k;
      /* |sum| <= 20, of at most 6 roundings */
      if (rank >= 0)
        CHECK(fabs(scores[q * K + rank] - sum) <= 20 * 6 * 6e-8);
      else
        CHECK(sum <= scores[q * K + K - 1] + 20 * 6 * 6e-8);
    }
  const cloze_precision precisions[] = {CLOZE_PRECISION_DEFAULT, CLOZE_PRECISION_INT8, CLOZE_PRECISION_FLOAT32};
  for (size_t p = 0; p < COUNT(precisions); p++) {
    cloze_index *index = create(vectors, precisions[p]);
    CHECK_OK(cloze_index_search(index, queries, QUERIES, K, again, same, QUERIES * K));
    CHECK(memcmp(indices, again, sizeof indices) == 0 && memcmp(scores, same, sizeof scores) == 0);
    CHECK_OK(cloze_index_search(index, NULL, 0, K, NULL, NULL, 0));
    cloze_index_free(index);
  }
  cloze_index_free(NULL);
  free(vectors), free(queries);
}

static void finds_pairs(void) {
  float *vectors = numbers(ROWS * DIM);
  memcpy(vectors + 200 * DIM, vectors + 100 * DIM, DIM * sizeof *vectors);
  float length = 0;
  for (size_t d = 0; d < DIM; d++) length += vectors[100 * DIM + d] * vectors[100 * DIM + d];
  cloze_index *index = create(vectors, CLOZE_PRECISION_INT8);
  size_t count = 0, all = 0;
  CHECK_OK(cloze_index_pairs(index, length * 0.5f, 0, ROWS, NULL, 0, &all));
  CHECK(all >= 1);
  cloze_neighbor_pair *pairs = allocate(all, sizeof *pairs);
  CHECK_STATUS(cloze_index_pairs(index, length * 0.5f, 0, ROWS, pairs, all - 1, &count), CLOZE_BUFFER_TOO_SMALL);
  CHECK(count == all);
  CHECK_OK(cloze_index_pairs(index, length * 0.5f, 0, ROWS, pairs, all, &count));
  int found = 0;
  for (size_t i = 0; i < count; i++) {
    CHECK(pairs[i].first < pairs[i].second && pairs[i].score > length * 0.5f);
    if (i > 0) CHECK(pairs[i - 1].first <= pairs[i].first);
    found += pairs[i].first == 100 && pairs[i].second == 200;
  }
  CHECK(found == 1);
  CHECK_OK(cloze_index_pairs(index, length * 0.5f, 100, 101, pairs, all, &count));
  CHECK(count >= 1 && pairs[0].first == 100);
  CHECK_STATUS(cloze_index_pairs(index, 0, 5, ROWS + 1, pairs, all, &count), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_pairs(index, 0, 5, 4, pairs, all, &count), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_pairs(index, NAN, 0, 1, pairs, all, &count), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_pairs(NULL, 0, 0, 1, pairs, all, &count), CLOZE_INVALID_ARGUMENT);
  cloze_index_free(index);
  free(vectors), free(pairs);
}

static void wrong_arguments(void) {
  float *vectors = numbers(ROWS * DIM), *queries = numbers(QUERIES * DIM);
  int64_t indices[QUERIES * K];
  float scores[QUERIES * K];
  cloze_index *index = (cloze_index *)vectors;
  CHECK_STATUS(cloze_index_create(NULL, ROWS, DIM, NULL, &index), CLOZE_INVALID_ARGUMENT);
  CHECK(index == NULL);
  CHECK_STATUS(cloze_index_create(vectors, ROWS, DIM, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_create(vectors, 0, DIM, NULL, &index), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_create(vectors, ROWS, 0, NULL, &index), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_create(vectors, SIZE_MAX, DIM, NULL, &index), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_create(vectors, ROWS, SIZE_MAX, NULL, &index), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_create(vectors, (size_t)1 << 62, 8, NULL, &index), CLOZE_OUT_OF_MEMORY);
  cloze_index_options options = {.struct_size = sizeof options, .precision = 9};
  CHECK_STATUS(cloze_index_create(vectors, ROWS, DIM, &options, &index), CLOZE_INVALID_ARGUMENT);
  options.precision = CLOZE_PRECISION_FLOAT32, options.threads = -1;
  CHECK_STATUS(cloze_index_create(vectors, ROWS, DIM, &options, &index), CLOZE_INVALID_ARGUMENT);

  index = create(vectors, CLOZE_PRECISION_INT8);
  CHECK_STATUS(cloze_index_search(NULL, queries, 1, K, indices, scores, K), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_search(index, NULL, 1, K, indices, scores, K), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_search(index, queries, 1, K, NULL, scores, K), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_search(index, queries, 1, K, indices, NULL, K), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_search(index, queries, 1, 0, indices, scores, K), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_index_search(index, queries, 1, ROWS + 1, indices, scores, ROWS + 1), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("300");
  CHECK_STATUS(cloze_index_search(index, queries, SIZE_MAX / 2, K, indices, scores, K), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(
      cloze_index_search(index, queries, QUERIES, K, indices, scores, QUERIES * K - 1), CLOZE_BUFFER_TOO_SMALL);
  queries[DIM + 3] = INFINITY;
  CHECK_STATUS(cloze_index_search(index, queries, QUERIES, K, indices, scores, QUERIES * K), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("queries[1, 3]");
  cloze_index_free(index);

  vectors[50 * DIM + 2] = NAN;
  CHECK_STATUS(cloze_index_create(vectors, ROWS, DIM, NULL, &index), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("vectors[50, 2]");
  CHECK_STATUS(cloze_search(vectors, ROWS, DIM, queries, 1, K, 1, indices, scores, K), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("vectors[50, 2]");
  CHECK_STATUS(cloze_search(vectors, ROWS, DIM, queries, 1, K, 300, indices, scores, K), CLOZE_INVALID_ARGUMENT);
  free(vectors), free(queries);
}

static const struct test tests[] = {
    {"finds_the_nearest", finds_the_nearest},
    {"finds_pairs", finds_pairs},
    {"wrong_arguments", wrong_arguments},
};

MAIN(tests)
