/* Section 5 of cloze.h: what cloze_run and cloze_run_padded refuse, and what the message names. */
#include "check.h"

enum { T = 6 };

/* A batch of two sequences with an output, sound until a test breaks one thing. */
struct call {
  cloze_session *session;
  int32_t ids[T], type_ids[T], cu_seqlens[3];
  cloze_batch batch;
  cloze_output output;
  float *values;
};

static struct call *make_call(void) {
  struct call *call = allocate(1, sizeof *call);
  *call = (struct call){.session = open_session(1), .ids = {2, 100, 3, 2, 200, 3}, .cu_seqlens = {0, 3, T}};
  call->values = allocate((size_t)T * V, sizeof *call->values);
  call->batch = (cloze_batch){.struct_size = sizeof call->batch,
      .batch_size = 2,
      .input_ids = call->ids,
      .token_type_ids = call->type_ids,
      .cu_seqlens = call->cu_seqlens};
  call->output = (cloze_output){.struct_size = sizeof call->output,
      .kind = CLOZE_OUTPUT_HIDDEN,
      .values = call->values,
      .capacity = (size_t)T * V};
  return call;
}

static cloze_status run(struct call *call) { return cloze_run(call->session, &call->batch, &call->output, 1); }

/* The session is as good as before. */
static void end_call(struct call *call) {
  struct call *sound = make_call();
  cloze_session_free(sound->session);
  sound->session = call->session;
  CHECK_OK(run(sound));
  CHECK(sound->output.size == T * D);
  free(sound->values);
  free(sound);
  cloze_session_free(call->session);
  free(call->values);
  free(call);
}

static void ids_out_of_range(void) {
  struct call *call = make_call();
  static const int32_t wrong[] = {V, -1, INT32_MAX, INT32_MIN};
  static const char *const named[] = {"16000", "-1", "2147483647", "-2147483648"};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    call->ids[4] = wrong[i];
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("[4]");
    CHECK_MESSAGE(named[i]);
  }
  end_call(call);
}

static void wide_ids_are_not_cut_to_32_bits(void) {
  struct call *call = make_call();
  int64_t wide[T] = {2, 100, 3, 2, 100 + (INT64_C(1) << 32), 3};
  call->batch.input_ids = wide;
  call->batch.token_type_ids = NULL;
  call->batch.integer_type = CLOZE_INT64;
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("[4]");
  uint64_t huge[T] = {2, 100, UINT64_MAX, 2, 100, 3};
  call->batch.input_ids = huge;
  call->batch.integer_type = CLOZE_UINT64;
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("[2]");
  end_call(call);
}

static void type_ids_out_of_range(void) {
  struct call *call = make_call();
  static const int32_t wrong[] = {2, -1};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    call->type_ids[5] = wrong[i];
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("[5]");
  }
  end_call(call);
}

static void offsets_that_do_not_rise(void) {
  struct call *call = make_call();
  static const int32_t wrong[][3] = {
      {0, 3, 3}, {0, 4, 3}, {0, 0, T}, {1, 3, T}, {-1, 3, T}, {0, -3, T}, {0, 3, INT32_MIN}};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    memcpy(call->cu_seqlens, wrong[i], sizeof wrong[i]);
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("cu_seqlens");
  }
  end_call(call);
}

static void sequence_longer_than_the_model(void) {
  struct call *call = make_call();
  enum { LONG = POSITIONS + 1 };
  int32_t *ids = allocate(LONG, sizeof *ids);
  for (size_t i = 0; i < LONG; i++) ids[i] = 100;
  int32_t ends[] = {0, LONG};
  call->batch.batch_size = 1;
  call->batch.input_ids = ids;
  call->batch.token_type_ids = NULL;
  call->batch.cu_seqlens = ends;
  CHECK_STATUS(run(call), CLOZE_TOO_LONG);
  CHECK_MESSAGE("257");
  CHECK_MESSAGE("256");
  ends[1] = POSITIONS;
  CHECK_OK(run(call));
  free(ids);
  end_call(call);
}

static void empty_and_negative_batches(void) {
  struct call *call = make_call();
  static const int64_t wrong[] = {0, -1, INT64_MIN};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    call->batch.batch_size = wrong[i];
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("batch_size");
  }
  end_call(call);
}

static void unknown_kinds(void) {
  struct call *call = make_call();
  static const int32_t wrong[] = {0, -1, 99, INT32_MAX};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    call->output.kind = wrong[i];
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    call->output.kind = CLOZE_OUTPUT_HIDDEN;
  }
  call->batch.integer_type = 8;
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  call->batch.integer_type = CLOZE_INT32;
  call->batch.cu_seqlens_type = -1;
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  call->batch.cu_seqlens_type = CLOZE_INT32;
  call->output.kind = CLOZE_OUTPUT_EMBEDDING;
  call->output.pooling = 8;
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  call->output.pooling = CLOZE_POOLING_DEFAULT;
  call->output.normalize = 3;
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  call->output.normalize = 0;
  static const int32_t dimensions[] = {-1, D + 1, INT32_MAX};
  for (size_t i = 0; i < COUNT(dimensions); i++) {
    call->output.dimensions = dimensions[i];
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("dimensions");
  }
  end_call(call);
}

static void layers_out_of_range(void) {
  struct call *call = make_call();
  static const int32_t wrong[] = {L + 1, -L - 2, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    int32_t layers[] = {0, wrong[i]};
    call->output.layers = layers;
    call->output.layer_count = 2;
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("layer");
  }
  end_call(call);
}

static void positions_out_of_range(void) {
  struct call *call = make_call();
  static const int64_t wrong[] = {T, -1, INT64_MAX, INT64_MIN};
  static const cloze_output_kind kinds[] = {CLOZE_OUTPUT_HIDDEN, CLOZE_OUTPUT_MLM};
  for (size_t i = 0; i < COUNT(wrong) * COUNT(kinds); i++) {
    int64_t positions[] = {0, wrong[i / COUNT(kinds)]};
    call->output.kind = kinds[i % COUNT(kinds)];
    call->output.positions = positions;
    call->output.position_count = 2;
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("position");
  }
  end_call(call);
}

static void buffer_too_small_says_how_much(void) {
  struct call *call = make_call();
  call->output.capacity = T * D - 1;
  CHECK_STATUS(run(call), CLOZE_BUFFER_TOO_SMALL);
  CHECK_MESSAGE("1536");
  CHECK(call->output.size == T * D);
  for (size_t i = 0; i < T * D; i++) CHECK(call->values[i] == 0); /* refused before anything ran */
  call->output.values = NULL;
  CHECK(run(call) == CLOZE_INVALID_ARGUMENT || run(call) == CLOZE_BUFFER_TOO_SMALL); /* a capacity without an array */
  end_call(call);
}

static void sizes_that_overflow(void) {
  struct call *call = make_call();
  call->output.position_count = SIZE_MAX / 2;
  int64_t position = 0;
  call->output.positions = &position;
  call->output.values = NULL;
  call->output.capacity = 0;
  CHECK(run(call) != CLOZE_OK);
  call->output.positions = NULL;
  call->output.position_count = 0;
  call->batch.batch_size = INT64_MAX;
  CHECK(cloze_run(call->session, &call->batch, &call->output, 0) != CLOZE_OK);
  end_call(call);
}

/* Offsets give T, so that wrong ones ask for arrays no one has: refused before any are made. */
static void offsets_beyond_memory(void) {
  struct call *call = make_call();
  static const cloze_integer types[] = {CLOZE_INT32, CLOZE_INT64, CLOZE_INT16};
  static const int64_t ends[] = {INT64_C(1) << 62, INT64_MAX, INT64_C(1) << 40, POSITIONS + 1};
  for (size_t i = 0; i < COUNT(types); i++) {
    for (size_t j = 0; j < COUNT(ends); j++) {
      int64_t offsets[] = {0, ends[j]};
      call->batch.batch_size = 1;
      call->batch.integer_type = types[i];
      call->batch.cu_seqlens = offsets;
      call->batch.cu_seqlens_type = CLOZE_INT64;
      CHECK_STATUS(run(call), CLOZE_TOO_LONG);
      CHECK_MESSAGE("sequence 0");
    }
  }
  end_call(call);
}

static void positions_without_end(void) {
  struct call *call = make_call();
  cloze_padded_batch padded = {
      .struct_size = sizeof padded, .batch_size = 1, .sequence_length = 3, .input_ids = call->ids};
  int64_t position = 0;
  call->output.positions = &position;
  static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2 + 1, 0};
  for (size_t i = 0; i < COUNT(counts); i++) {
    call->output.position_count = counts[i];
    CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("position_count");
    CHECK_STATUS(cloze_run_padded(call->session, &padded, &call->output, 1), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("position_count");
  }
  call->output.positions = NULL; /* a count without its array is no default */
  call->output.position_count = 2;
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("positions is NULL");
  end_call(call);
}

static void padded_row_longer_than_the_model(void) {
  struct call *call = make_call();
  cloze_padded_batch padded = {
      .struct_size = sizeof padded, .batch_size = 1 << 19, .sequence_length = 1 << 20, .input_ids = call->ids};
  CHECK_STATUS(cloze_run_padded(call->session, &padded, &call->output, 1), CLOZE_TOO_LONG);
  CHECK_MESSAGE("1048576");
  end_call(call);
}

/* A caller who says that there is room without end. */
static void capacity_without_end(void) {
  struct call *call = make_call();
  call->output.capacity = SIZE_MAX;
  CHECK_OK(run(call));
  CHECK(call->output.size == T * D);
  end_call(call);
}

static void struct_sizes(void) {
  struct call *call = make_call();
  call->batch.struct_size = 0;
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("struct_size");
  call->batch.struct_size = sizeof call->batch;
  call->output.struct_size = 8; /* an older header, whose fields end here: no kind */
  CHECK_STATUS(run(call), CLOZE_INVALID_ARGUMENT);
  call->output.struct_size = sizeof call->output;

  struct {
    cloze_batch batch;
    char tail[16];
  } newer;
  memset(&newer, 0, sizeof newer);
  newer.batch = call->batch;
  newer.batch.struct_size = sizeof newer;
  CHECK_OK(cloze_run(call->session, &newer.batch, &call->output, 1));
  newer.tail[15] = 1;
  CHECK_STATUS(cloze_run(call->session, &newer.batch, &call->output, 1), CLOZE_INVALID_ARGUMENT);
  end_call(call);
}

static void padded_batches(void) {
  struct call *call = make_call();
  int32_t ids[2][3] = {{2, 100, 3}, {2, 3, 0}}, mask[2][3] = {{1, 1, 1}, {1, 1, 0}};
  cloze_padded_batch sound = {
      .struct_size = sizeof sound, .batch_size = 2, .sequence_length = 3, .input_ids = ids, .attention_mask = mask};
  CHECK_OK(cloze_run_padded(call->session, &sound, &call->output, 1));
  CHECK(call->output.size == 6 * D);

  cloze_padded_batch batch = sound;
  batch.batch_size = 0;
  CHECK_STATUS(cloze_run_padded(call->session, &batch, &call->output, 1), CLOZE_INVALID_ARGUMENT);
  batch = sound;
  batch.sequence_length = 0;
  CHECK_STATUS(cloze_run_padded(call->session, &batch, &call->output, 1), CLOZE_INVALID_ARGUMENT);
  batch.sequence_length = -3;
  CHECK_STATUS(cloze_run_padded(call->session, &batch, &call->output, 1), CLOZE_INVALID_ARGUMENT);
  batch.sequence_length = INT64_MAX;
  CHECK(cloze_run_padded(call->session, &batch, &call->output, 1) != CLOZE_OK);
  batch = sound;
  batch.reserved = 1;
  CHECK_STATUS(cloze_run_padded(call->session, &batch, &call->output, 1), CLOZE_INVALID_ARGUMENT);
  batch = sound;
  batch.input_ids = NULL;
  CHECK_STATUS(cloze_run_padded(call->session, &batch, &call->output, 1), CLOZE_INVALID_ARGUMENT);

  mask[1][0] = mask[1][1] = 0; /* a row without a token */
  CHECK_STATUS(cloze_run_padded(call->session, &sound, &call->output, 1), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("1");
  mask[1][0] = 2;
  CHECK_STATUS(cloze_run_padded(call->session, &sound, &call->output, 1), CLOZE_INVALID_ARGUMENT);
  mask[1][0] = 1;
  ids[1][2] = 1 << 30; /* padding: not looked at */
  CHECK_OK(cloze_run_padded(call->session, &sound, &call->output, 1));
  call->output.capacity = 6 * D - 1;
  CHECK_STATUS(cloze_run_padded(call->session, &sound, &call->output, 1), CLOZE_BUFFER_TOO_SMALL);
  CHECK(call->output.size == 6 * D);
  end_call(call);
}

static const struct test tests[] = {
    {"ids_out_of_range", ids_out_of_range},
    {"wide_ids_are_not_cut_to_32_bits", wide_ids_are_not_cut_to_32_bits},
    {"type_ids_out_of_range", type_ids_out_of_range},
    {"offsets_that_do_not_rise", offsets_that_do_not_rise},
    {"sequence_longer_than_the_model", sequence_longer_than_the_model},
    {"empty_and_negative_batches", empty_and_negative_batches},
    {"unknown_kinds", unknown_kinds},
    {"layers_out_of_range", layers_out_of_range},
    {"positions_out_of_range", positions_out_of_range},
    {"buffer_too_small_says_how_much", buffer_too_small_says_how_much},
    {"sizes_that_overflow", sizes_that_overflow},
    {"offsets_beyond_memory", offsets_beyond_memory},
    {"positions_without_end", positions_without_end},
    {"padded_row_longer_than_the_model", padded_row_longer_than_the_model},
    {"capacity_without_end", capacity_without_end},
    {"struct_sizes", struct_sizes},
    {"padded_batches", padded_batches},
};

MAIN(tests)
