/* Any numbers as a batch of token ids: refused with a message, or finite results. */
#include <cloze.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cloze_session *session;

static void open_session(void) {
  cloze_model *model = NULL;
  cloze_session_options options = {.struct_size = sizeof options, .threads = 1};
  if (cloze_model_load(getenv("CLOZE_FUZZ_TINY_MODEL"), NULL, &model) != CLOZE_OK) abort();
  if (cloze_session_create(model, &options, &session) != CLOZE_OK) abort();
  cloze_model_free(model);
}

/* Copies what there is of `size` bytes into fresh memory of exactly this size, so that reading past
 * it is noticed. */
static void *take(const uint8_t **data, size_t *left, size_t size) {
  uint8_t *copy = calloc(size ? size : 1, 1);
  if (copy == NULL) abort();
  size_t given = size < *left ? size : *left;
  memcpy(copy, *data, given);
  *data += given;
  *left -= given;
  return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (session == NULL) open_session();
  if (size < 8) return 0;
  static const size_t widths[] = {4, 8, 2, 1, 8, 4, 2, 1};
  cloze_batch batch = {.struct_size = sizeof batch,
      .batch_size = data[0] % 5,
      .integer_type = data[1] % 8,
      .cu_seqlens_type = data[2] % 8};
  size_t tokens = data[3] % 40;
  cloze_output output = {.struct_size = sizeof output,
      .kind = data[4] % 6,
      .pooling = data[5] % 9,
      .normalize = data[6] % 4,
      .dimensions = (int8_t)data[7]};
  data += 8;
  size -= 8;
  /* The offsets go first: with the last one no larger than the tokens there are, no id outside the
   * array is asked for. */
  uint8_t *ends = take(&data, &size, ((size_t)batch.batch_size + 1) * widths[batch.cu_seqlens_type]);
  uint8_t *ids = take(&data, &size, tokens * widths[batch.integer_type]);
  uint8_t *last = ends + (size_t)batch.batch_size * widths[batch.cu_seqlens_type];
  memset(last, 0, widths[batch.cu_seqlens_type]);
  last[0] = (uint8_t)tokens; /* little endian */
  batch.cu_seqlens = ends;
  batch.input_ids = ids;
  if (cloze_run(session, &batch, &output, 1) == CLOZE_OK) {
    float *values = malloc(output.size * sizeof *values + 1);
    if (values == NULL) abort();
    output.values = values;
    output.capacity = output.size;
    if (cloze_run(session, &batch, &output, 1) == CLOZE_OK) {
      for (size_t i = 0; i < output.size; i++) {
        if (!isfinite(values[i])) abort();
      }
    }
    free(values);
  } else if (cloze_last_error()[0] == '\0') {
    abort();
  }
  free(ends);
  free(ids);
  return 0;
}
