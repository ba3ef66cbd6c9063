/* Section 5 of cloze.h: a run with a batch no larger than one before allocates nothing. The program's
 * malloc stands before the C library's for everything that is loaded into it, and counts. */
#include "check.h"

#include <errno.h>
#include <stdatomic.h>

enum { T = 12, B = 3 };

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef COUNTS
#endif
#endif

static atomic_size_t allocations;

#ifdef COUNTS
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  atomic_fetch_add(&allocations, 1);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  atomic_fetch_add(&allocations, 1);
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  atomic_fetch_add(&allocations, 1);
  return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  atomic_fetch_add(&allocations, 1);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  atomic_fetch_add(&allocations, 1);
  void *made = __libc_memalign(alignment, size);
  if (made == NULL) return ENOMEM;
  *memory = made;
  return 0;
}
#endif

static void need_counts(void) {
#ifndef COUNTS
  SKIP("allocations cannot be counted with this C library or under a sanitizer");
#else
  size_t before = atomic_load(&allocations);
  free(allocate(1, 16));
  CHECK(atomic_load(&allocations) > before);
#endif
}

static void runs_allocate_nothing(cloze_precision precision, int32_t threads) {
  need_counts();
  cloze_model *model = load_model(precision);
  cloze_session_options options = {.struct_size = sizeof options, .threads = threads};
  cloze_session *session = NULL;
  CHECK_OK(cloze_session_create(model, &options, &session));

  int32_t ids[T] = {2, 100, 3, 2, 4, 200, 300, 3, 2, 5, 6, 3}, ends[B + 1] = {0, 3, 8, T};
  int64_t wide[T], zeros[T] = {0}, at[] = {4, 0};
  for (size_t i = 0; i < T; i++) wide[i] = ids[i];
  int32_t layers[] = {0, -1};
  float *values = allocate((size_t)T * V, sizeof *values);
  cloze_batch batches[] = {
      {.struct_size = sizeof(cloze_batch), .batch_size = B, .input_ids = ids, .cu_seqlens = ends},
      {.struct_size = sizeof(cloze_batch),
          .batch_size = B,
          .input_ids = wide,
          .token_type_ids = zeros,
          .cu_seqlens = ends,
          .integer_type = CLOZE_INT64},
      {.struct_size = sizeof(cloze_batch), .batch_size = B - 1, .input_ids = ids, .cu_seqlens = ends},
  };
  cloze_output outputs[] = {
      {.kind = CLOZE_OUTPUT_HIDDEN},
      {.kind = CLOZE_OUTPUT_HIDDEN, .layers = layers, .layer_count = 2},
      {.kind = CLOZE_OUTPUT_HIDDEN, .positions = at, .position_count = 2},
      {.kind = CLOZE_OUTPUT_EMBEDDING},
      {.kind = CLOZE_OUTPUT_EMBEDDING, .pooling = CLOZE_POOLING_POOLER, .dimensions = 7},
      {.kind = CLOZE_OUTPUT_POOLER},
      {.kind = CLOZE_OUTPUT_NSP},
      {.kind = CLOZE_OUTPUT_MLM},
      {.kind = CLOZE_OUTPUT_MLM, .positions = at, .position_count = 2},
  };
  for (size_t i = 0; i < COUNT(outputs); i++) {
    outputs[i].struct_size = sizeof outputs[i];
    outputs[i].values = values;
    outputs[i].capacity = (size_t)T * V;
  }
  for (int round = 0; round < 3; round++) {
    for (size_t b = 0; b < COUNT(batches); b++) {
      for (size_t i = 0; i < COUNT(outputs); i++) {
        size_t before = atomic_load(&allocations);
        CHECK_OK(cloze_run(session, &batches[b], &outputs[i], 1));
        size_t made = atomic_load(&allocations) - before;
        if (round > 0 && made > 0) {
          printf("batch %zu, output %zu: %zu allocations\n", b, i, made);
          exit(1);
        }
      }
    }
  }
  free(values);
  cloze_session_free(session);
  cloze_model_free(model);
}

static void int8_runs(void) { runs_allocate_nothing(CLOZE_PRECISION_INT8, 2); }
static void float32_runs(void) { runs_allocate_nothing(CLOZE_PRECISION_FLOAT32, 1); }

/* The same for padded batches. */
static void padded_runs(void) {
  need_counts();
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  cloze_session *session = NULL;
  CHECK_OK(cloze_session_create(model, NULL, &session));
  int64_t ids[2][4] = {{2, 100, 3, 0}, {2, 200, 300, 3}}, mask[2][4] = {{1, 1, 1, 0}, {1, 1, 1, 1}};
  cloze_padded_batch batch = {.struct_size = sizeof batch,
      .batch_size = 2,
      .sequence_length = 4,
      .input_ids = ids,
      .attention_mask = mask,
      .integer_type = CLOZE_INT64};
  float *values = allocate(8 * D, sizeof *values);
  cloze_output output = {
      .struct_size = sizeof output, .kind = CLOZE_OUTPUT_HIDDEN, .values = values, .capacity = 8 * D};
  for (int round = 0; round < 4; round++) {
    size_t before = atomic_load(&allocations);
    CHECK_OK(cloze_run_padded(session, &batch, &output, 1));
    size_t made = atomic_load(&allocations) - before;
    if (round > 0 && made > 0) {
      printf("%zu allocations\n", made);
      exit(1);
    }
  }
  free(values);
  cloze_session_free(session);
  cloze_model_free(model);
}

static const struct test tests[] = {
    {"int8_runs", int8_runs},
    {"float32_runs", float32_runs},
    {"padded_runs", padded_runs},
};

MAIN(tests)
