/* Any bytes as a model: refused with a message, or loaded and run. */
#include <cloze.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* The length, so that mutations of one seed reach both. */
  cloze_load_options options = {.struct_size = sizeof options};
  options.precision = size % 2 ? CLOZE_PRECISION_INT8 : CLOZE_PRECISION_FLOAT32;
  cloze_model *model = NULL;
  if (cloze_model_load_memory(data, size, &options, &model) != CLOZE_OK) {
    if (model != NULL || cloze_last_error()[0] == '\0') abort();
    return 0;
  }
  cloze_info info = {.struct_size = sizeof info};
  if (cloze_model_info(model, &info) != CLOZE_OK) abort();
  cloze_session_options one = {.struct_size = sizeof one, .threads = 1};
  cloze_session *session = NULL;
  if (cloze_session_create(model, &one, &session) == CLOZE_OK) {
    int32_t ids[] = {0, 0}, ends[] = {0, 2};
    cloze_batch batch = {.struct_size = sizeof batch, .batch_size = 1, .input_ids = ids, .cu_seqlens = ends};
    cloze_output output = {.struct_size = sizeof output, .kind = CLOZE_OUTPUT_EMBEDDING};
    if (cloze_run(session, &batch, &output, 1) == CLOZE_OK && output.size < 1u << 20) {
      output.capacity = output.size;
      output.values = malloc(output.size * sizeof(float));
      if (output.values != NULL) cloze_run(session, &batch, &output, 1);
      free(output.values);
    }
    cloze_session_free(session);
  }
  cloze_model_free(model);
  return 0;
}
