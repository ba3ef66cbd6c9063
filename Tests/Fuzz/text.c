/* Any bytes as a text or a pair for the built-in model's tokenizer: refused, or ids and offsets
 * that are in range. */
#include <cloze.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cloze_tokenizer *tokenizer;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (tokenizer == NULL && cloze_tokenizer_load(getenv("CLOZE_TEST_MODEL"), NULL, &tokenizer) != CLOZE_OK) abort();
  if (size < 2) return 0;
  /* Two bytes of options, then the text; 0xff, which UTF-8 never has, begins the second of a pair.
   */
  const char *first = (const char *)data + 2;
  size_t length = size - 2;
  const char *second = memchr(first, 0xff, length);
  size_t second_length = 0;
  if (second != NULL) {
    second_length = length - (size_t)(++second - first);
    length -= second_length + 1;
  }
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = &first, .lengths = &length};
  texts.pairs = second != NULL ? &second : NULL;
  texts.pair_lengths = second != NULL ? &second_length : NULL;
  cloze_tokenize_options options = {.struct_size = sizeof options, .max_tokens = data[0], .truncation = data[1] % 5};
  int64_t ends[2] = {-1, -1};
  cloze_encoding encoding = {.struct_size = sizeof encoding, .cu_seqlens = ends};
  cloze_status counted = cloze_tokenize(tokenizer, &texts, &options, &encoding);
  if (counted != CLOZE_OK) return 0;
  if (ends[0] != 0 || ends[1] != (int64_t)encoding.size) abort();
  if (options.max_tokens != 0 && encoding.size > (size_t)options.max_tokens) abort();

  size_t count = encoding.size;
  int32_t *ids = malloc(count * sizeof *ids), *type_ids = malloc(count * sizeof *type_ids);
  int64_t *offsets = malloc(2 * count * sizeof *offsets);
  if (ids == NULL || type_ids == NULL || offsets == NULL) abort();
  encoding.capacity = count;
  encoding.ids = ids;
  encoding.type_ids = type_ids;
  encoding.offsets = offsets;
  if (cloze_tokenize(tokenizer, &texts, &options, &encoding) != CLOZE_OK || encoding.size != count) abort();
  for (size_t i = 0; i < count; i++) {
    int64_t end = type_ids[i] == 0 ? (int64_t)length : (int64_t)second_length;
    if (ids[i] < 0 || ids[i] >= cloze_tokenizer_vocab_size(tokenizer)) abort();
    if (type_ids[i] != 0 && type_ids[i] != 1) abort();
    if (offsets[2 * i] < 0 || offsets[2 * i] > offsets[2 * i + 1] || offsets[2 * i + 1] > end) abort();
  }
  free(ids);
  free(type_ids);
  free(offsets);
  return 0;
}
