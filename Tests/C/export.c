/* Section 3 of cloze.h: models written as ONNX, and the labels of a trained head. */
#include "check.h"

#include <unistd.h>

static const char *new_path(void) {
  static char path[] = "/tmp/cloze-export-XXXXXX.onnx";
  memcpy(strrchr(path, '-') + 1, "XXXXXX", 6);
  int file = mkstemps(path, 5);
  CHECK(file >= 0 && close(file) == 0);
  return path;
}

static float *hidden(cloze_model *model) {
  int32_t ids[] = {2, 1045, 3}, cu_seqlens[] = {0, 3};
  cloze_batch batch = {.struct_size = sizeof batch, .batch_size = 1, .input_ids = ids, .cu_seqlens = cu_seqlens};
  float *values = allocate(3 * D, sizeof *values);
  cloze_output output = {
      .struct_size = sizeof output, .kind = CLOZE_OUTPUT_HIDDEN, .values = values, .capacity = 3 * D};
  cloze_session *session = NULL;
  CHECK_OK(cloze_session_create(model, NULL, &session));
  CHECK_OK(cloze_run(session, &batch, &output, 1));
  cloze_session_free(session);
  return values;
}

static void a_file_gives_what_its_source_gives(void) {
  const char *path = new_path();
  cloze_export_options options = {.struct_size = sizeof options, .format = CLOZE_EXPORT_FLOAT32, .threads = 1};
  CHECK_OK(cloze_export(model_path(), path, &options));
  cloze_model *source = load_model(CLOZE_PRECISION_FLOAT32), *exported = NULL;
  cloze_load_options load = {.struct_size = sizeof load, .precision = CLOZE_PRECISION_FLOAT32};
  CHECK_OK(cloze_model_load(path, &load, &exported));
  float *expected = hidden(source), *found = hidden(exported);
  CHECK(memcmp(expected, found, 3 * D * sizeof *expected) == 0);
  free(found), cloze_model_free(exported);

  CHECK_OK(cloze_model_export(source, path, NULL));
  CHECK_OK(cloze_model_load(path, &load, &exported));
  found = hidden(exported);
  CHECK(memcmp(expected, found, 3 * D * sizeof *expected) == 0);
  free(found), free(expected), cloze_model_free(exported), cloze_model_free(source);
  CHECK(remove(path) == 0);
}

static void wrong_arguments(void) {
  CHECK_STATUS(cloze_export(NULL, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_export("/nowhere.onnx", "/tmp/a.onnx", NULL), CLOZE_NOT_FOUND);
  CHECK_MESSAGE("/nowhere.onnx");
  CHECK_STATUS(cloze_model_export(NULL, "/tmp/a.onnx", NULL), CLOZE_INVALID_ARGUMENT);
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  CHECK_STATUS(cloze_model_export(model, "/nowhere/a.onnx", NULL), CLOZE_IO);
  CHECK_MESSAGE("/nowhere/a.onnx");
  cloze_export_options options = {.struct_size = sizeof options, .format = 9};
  CHECK_STATUS(cloze_model_export(model, "/tmp/a.onnx", &options), CLOZE_INVALID_ARGUMENT);
  options = (cloze_export_options){.struct_size = sizeof options, .head = "head.safetensors"};
  CHECK_STATUS(cloze_model_export(model, "/tmp/a.onnx", &options), CLOZE_INVALID_ARGUMENT);
  cloze_model_free(model);
}

static void labels_of_a_head(void) {
  cloze_model *model = load_model(CLOZE_PRECISION_FLOAT32), *trained = NULL;
  cloze_trainer *trainer = NULL;
  CHECK_OK(
      cloze_trainer_create(model, "classify", "{\"epochs\": 1, \"optimizer\": \"adamw\", \"threads\": 1}", &trainer));
  static const char *const labels[] = {"good", "b\xC3\xA4"};
  for (int i = 0; i < 8; i++) {
    cloze_example example = {
        .struct_size = sizeof example, .text = i % 2 ? "war" : "peace", .labels = &labels[i % 2], .label_count = 1};
    CHECK_OK(cloze_trainer_add(trainer, i < 6 ? CLOZE_SET_TRAIN : CLOZE_SET_VALID, &example));
  }
  CHECK_OK(cloze_trainer_run(trainer, NULL, NULL));
  CHECK_OK(cloze_trainer_model(trainer, &trained));
  cloze_trainer_free(trainer), cloze_model_free(model);

  cloze_info info = {.struct_size = sizeof info};
  CHECK_OK(cloze_model_info(trained, &info));
  CHECK(info.label_count == 2);
  int seen[2] = {0, 0};
  for (int32_t i = 0; i < 2; i++) {
    char label[8];
    size_t size = 0;
    CHECK_OK(cloze_model_label(trained, i, NULL, 0, &size));
    CHECK_STATUS(cloze_model_label(trained, i, label, size, NULL), CLOZE_BUFFER_TOO_SMALL);
    CHECK_OK(cloze_model_label(trained, i, label, sizeof label, &size));
    CHECK(size == strlen(label));
    for (int j = 0; j < 2; j++) seen[j] = seen[j] || strcmp(label, labels[j]) == 0;
  }
  CHECK(seen[0] && seen[1]);
  char label[8];
  CHECK_STATUS(cloze_model_label(trained, 2, label, sizeof label, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_model_label(trained, -1, label, sizeof label, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_model_free(trained);
}

static const struct test tests[] = {
    {"a_file_gives_what_its_source_gives", a_file_gives_what_its_source_gives},
    {"wrong_arguments", wrong_arguments},
    {"labels_of_a_head", labels_of_a_head},
};

MAIN(tests)
