/* Section 1 of cloze.h: version, status names, the last error; and what every function does with
 * NULL. */
#include "check.h"

#include <pthread.h>

static void version_matches_header(void) {
  char expected[64];
  snprintf(expected, sizeof expected, "%d.%d.%d", CLOZE_VERSION_MAJOR, CLOZE_VERSION_MINOR, CLOZE_VERSION_PATCH);
  CHECK(strcmp(cloze_version(), expected) == 0);
}

static void statuses_have_names(void) {
  static const char *const names[] = {"ok", "invalid_argument", "not_found", "io", "invalid_model", "unsupported_model",
      "invalid_text", "too_long", "no_tokenizer", "no_head", "buffer_too_small", "unsupported_isa", "cancelled", "busy",
      "out_of_memory", "internal"};
  CHECK(COUNT(names) == CLOZE_INTERNAL + 1);
  for (size_t i = 0; i < COUNT(names); i++) {
    CHECK(strcmp(cloze_status_name((cloze_status)i), names[i]) == 0);
  }
  CHECK(strcmp(cloze_status_name(-1), "unknown") == 0);
  CHECK(strcmp(cloze_status_name(16), "unknown") == 0);
  CHECK(strcmp(cloze_status_name(INT32_MAX), "unknown") == 0);
  CHECK(strcmp(cloze_status_name(INT32_MIN), "unknown") == 0);
}

static void no_message_before_first_failure(void) { CHECK(strcmp(cloze_last_error(), "") == 0); }

static void message_survives_success(void) {
  CHECK_STATUS(cloze_model_load("/nowhere/model.onnx", NULL, &(cloze_model *){NULL}), CLOZE_NOT_FOUND);
  CHECK_MESSAGE("/nowhere/model.onnx");
  char before[512];
  snprintf(before, sizeof before, "%s", cloze_last_error());
  cloze_model_free(load_model(CLOZE_PRECISION_DEFAULT));
  CHECK(strcmp(cloze_last_error(), before) == 0);
}

static void *fail_elsewhere(void *message) {
  CHECK(cloze_last_error()[0] == '\0');
  CHECK(cloze_session_create(NULL, NULL, NULL) == CLOZE_INVALID_ARGUMENT);
  snprintf(message, 512, "%s", cloze_last_error());
  return NULL;
}

static void message_is_kept_per_thread(void) {
  CHECK_STATUS(cloze_model_load("/nowhere/model.onnx", NULL, &(cloze_model *){NULL}), CLOZE_NOT_FOUND);
  char elsewhere[512] = "";
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, fail_elsewhere, elsewhere) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(elsewhere[0] != '\0');
  CHECK_MESSAGE("/nowhere/model.onnx");
}

static void message_of_long_path_is_cut_not_lost(void) {
  char *path = allocate(100001, 1);
  memset(path, 'x', 100000);
  cloze_model *model = NULL;
  cloze_status status = cloze_model_load(path, NULL, &model);
  CHECK(status == CLOZE_NOT_FOUND || status == CLOZE_IO);
  CHECK(model == NULL);
  CHECK(cloze_last_error()[0] != '\0' && strlen(cloze_last_error()) < 100000);
  free(path);
}

static void null_handles_are_refused(void) {
  cloze_model *model = NULL;
  cloze_session *session = NULL;
  cloze_tokenizer *tokenizer = NULL;
  const char *text = "text";
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = &text};
  cloze_encoding encoding = {.struct_size = sizeof encoding};
  cloze_info info = {.struct_size = sizeof info};
  cloze_batch batch = {.struct_size = sizeof batch};
  cloze_padded_batch padded = {.struct_size = sizeof padded};
  cloze_output output = {.struct_size = sizeof output, .kind = CLOZE_OUTPUT_HIDDEN};
  float values[4];
  size_t count = 0;
  int64_t offsets[2];
  CHECK_STATUS(cloze_tokenize(NULL, &texts, NULL, &encoding), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_tokenizer_load(NULL, NULL, &tokenizer), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_tokenizer_load(model_path(), NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_tokenizer_load_memory(NULL, 10, NULL, &tokenizer), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_model_load(NULL, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_model_load_memory(NULL, 10, NULL, &model), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_model_info(NULL, &info), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_model_tokenizer(NULL, &tokenizer), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_session_create(NULL, NULL, &session), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_run(NULL, &batch, &output, 1), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_run_padded(NULL, &padded, &output, 1), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_embed_texts(NULL, &texts, NULL, values, 4, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_encode_texts(NULL, &texts, NULL, values, 4, offsets, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_fill_mask(NULL, &texts, NULL, NULL, 0, &count, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_next_sentence(NULL, &texts, NULL, values, 4, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK(model == NULL && session == NULL && tokenizer == NULL);
  CHECK(cloze_tokenizer_vocab_size(NULL) == 0);
  CHECK(cloze_tokenizer_token(NULL, 0) == NULL);
  CHECK(cloze_tokenizer_id(NULL, "[MASK]") == -1);
  CHECK(cloze_session_threads(NULL) == 0);
}

static void null_is_freed_and_cancelled_without_effect(void) {
  cloze_tokenizer_free(NULL);
  cloze_model_free(NULL);
  cloze_session_free(NULL);
  cloze_cancel(NULL);
}

static void null_arguments_are_refused(void) {
  cloze_session *session = open_session(1);
  const char *text = "text";
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = &text};
  cloze_batch batch = {.struct_size = sizeof batch, .batch_size = 1};
  cloze_output output = {.struct_size = sizeof output, .kind = CLOZE_OUTPUT_HIDDEN};
  float *values = allocate(D, sizeof *values);
  CHECK_STATUS(cloze_run(session, NULL, &output, 1), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_run(session, &batch, NULL, 1), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_run(session, &batch, &output, 1), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_run_padded(session, NULL, &output, 1), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_embed_texts(session, NULL, NULL, values, D, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_encode_texts(session, NULL, NULL, values, D, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_fill_mask(session, NULL, NULL, NULL, 0, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_next_sentence(session, NULL, NULL, values, 1, NULL), CLOZE_INVALID_ARGUMENT);
  texts.texts = NULL;
  CHECK_STATUS(cloze_embed_texts(session, &texts, NULL, values, D, NULL), CLOZE_INVALID_ARGUMENT);
  text = NULL;
  texts.texts = &text;
  CHECK_STATUS(cloze_embed_texts(session, &texts, NULL, values, D, NULL), CLOZE_INVALID_ARGUMENT);
  free(values);
  cloze_session_free(session);
}

/* Every option and batch struct, with a tail that a newer header might have. */
static void structs_from_a_newer_header(void) {
  cloze_session *session = open_session(1);
  const char *text = "text";
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = &text};
  float *values = allocate(D, sizeof *values);
  struct {
    cloze_embed_options options;
    uint64_t tail[4];
  } newer;
  memset(&newer, 0, sizeof newer);
  newer.options.struct_size = sizeof newer;
  CHECK_OK(cloze_embed_texts(session, &texts, &newer.options, values, D, NULL));
  newer.tail[3] = 1;
  CHECK_STATUS(cloze_embed_texts(session, &texts, &newer.options, values, D, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("newer header");
  newer.options.struct_size = 0;
  CHECK_STATUS(cloze_embed_texts(session, &texts, &newer.options, values, D, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("struct_size");

  struct {
    cloze_texts texts;
    uint64_t tail;
  } newer_texts;
  memset(&newer_texts, 0, sizeof newer_texts);
  newer_texts.texts = texts;
  newer_texts.texts.struct_size = sizeof newer_texts;
  CHECK_OK(cloze_embed_texts(session, &newer_texts.texts, NULL, values, D, NULL));
  newer_texts.tail = 7;
  CHECK_STATUS(cloze_embed_texts(session, &newer_texts.texts, NULL, values, D, NULL), CLOZE_INVALID_ARGUMENT);

  struct {
    cloze_load_options options;
    uint64_t tail;
  } newer_load;
  memset(&newer_load, 0, sizeof newer_load);
  newer_load.options.struct_size = sizeof newer_load;
  newer_load.tail = 1;
  cloze_model *model = NULL;
  CHECK_STATUS(cloze_model_load(NULL, &newer_load.options, &model), CLOZE_INVALID_ARGUMENT);
  CHECK(model == NULL);
  newer_load.tail = 0;
  CHECK_OK(cloze_model_load(NULL, &newer_load.options, &model));

  struct {
    cloze_session_options options;
    uint64_t tail;
  } newer_session;
  memset(&newer_session, 0, sizeof newer_session);
  newer_session.options.struct_size = sizeof newer_session;
  newer_session.tail = 1;
  cloze_session *other = NULL;
  CHECK_STATUS(cloze_session_create(model, &newer_session.options, &other), CLOZE_INVALID_ARGUMENT);
  CHECK(other == NULL);
  cloze_model_free(model);
  free(values);
  cloze_session_free(session);
}

static const struct test tests[] = {
    {"version_matches_header", version_matches_header},
    {"statuses_have_names", statuses_have_names},
    {"no_message_before_first_failure", no_message_before_first_failure},
    {"message_survives_success", message_survives_success},
    {"message_is_kept_per_thread", message_is_kept_per_thread},
    {"message_of_long_path_is_cut_not_lost", message_of_long_path_is_cut_not_lost},
    {"null_handles_are_refused", null_handles_are_refused},
    {"null_is_freed_and_cancelled_without_effect", null_is_freed_and_cancelled_without_effect},
    {"null_arguments_are_refused", null_arguments_are_refused},
    {"structs_from_a_newer_header", structs_from_a_newer_header},
};

MAIN(tests)
