/* Any bytes as a file of a tokenizer, of whatever kind they begin as: refused with a message, or loaded and used. */
#include <cloze.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cloze_tokenizer *tokenizer = NULL;
  if (cloze_tokenizer_load_memory(data, size, NULL, &tokenizer) != CLOZE_OK) {
    if (tokenizer != NULL || cloze_last_error()[0] == '\0') abort();
    return 0;
  }
  int32_t count = cloze_tokenizer_vocab_size(tokenizer);
  for (int32_t id = -1; id <= count && id < 1000; id++) {
    const char *token = cloze_tokenizer_token(tokenizer, id);
    if (token != NULL) cloze_tokenizer_id(tokenizer, token);
  }
  const char *list[] = {"A text, with [MASK] and \xe5\x8f\xb0\xe5\x8c\x97.",
      " don't  <mask> e\xcc\x81\xef\xbd\x81 \xc2\xbd\r\n \xf0\x9f\x98\x80"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = list};
  int32_t ids[256];
  cloze_encoding encoding = {.struct_size = sizeof encoding, .capacity = 256, .ids = ids};
  if (cloze_tokenize(tokenizer, &texts, NULL, &encoding) == CLOZE_OK) {
    for (size_t i = 0; i < encoding.size; i++) {
      if (ids[i] < 0) abort();
    }
  }
  cloze_tokenizer_free(tokenizer);
  return 0;
}
