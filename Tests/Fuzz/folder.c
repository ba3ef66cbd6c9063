/* Any bytes as one of the files of a folder: the index of shards, or the settings beside a vocabulary and a model.
 * The first byte chooses the file. */
#define _GNU_SOURCE
#include <cloze.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "model.safetensors.index.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentence_bert_config.json",
    "config.json",
    "tokenizer.json",
};
enum { NAMES = sizeof names / sizeof *names };

static char folder[] = "/tmp/cloze-fuzz-XXXXXX";

static void write_file(const char *name, const void *bytes, size_t size) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
}

static void remove_file(const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  unlink(path);
}

static void remove_folder(void) {
  for (int i = 0; i < NAMES; i++) remove_file(names[i]);
  remove_file("vocab.txt");
  remove_file("a.safetensors");
  rmdir(folder);
}

static void make_folder(void) {
  static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ntext\nA\n";
  static const char header[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
  if (mkdtemp(folder) == NULL) abort();
  atexit(remove_folder);
  write_file("vocab.txt", vocabulary, sizeof vocabulary - 1);
  uint8_t shard[8 + sizeof header - 1 + 4] = {sizeof header - 1};
  memcpy(shard + 8, header, sizeof header - 1);
  write_file("a.safetensors", shard, sizeof shard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char configuration[] = "{\"model_type\":\"bert\",\"num_attention_heads\":1}";
  static const char index[] = "{\"weight_map\":{\"w\":\"a.safetensors\"}}";
  static int is_made;
  if (!is_made) make_folder();
  is_made = 1;
  if (size == 0) return 0;
  const char *name = names[data[0] % NAMES];
  write_file("config.json", configuration, sizeof configuration - 1);
  write_file("model.safetensors.index.json", index, sizeof index - 1);
  write_file(name, data + 1, size - 1);

  cloze_model *model = NULL;
  if (cloze_model_load(folder, NULL, &model) == CLOZE_OK || model != NULL) abort(); /* no shard holds a model */
  if (cloze_last_error()[0] == '\0') abort();
  cloze_tokenizer *tokenizer = NULL;
  if (cloze_tokenizer_load(folder, NULL, &tokenizer) == CLOZE_OK) {
    const char *list[] = {"A text, with [MASK] and <x>."};
    cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = list};
    int32_t ids[64], id = -1;
    cloze_encoding encoding = {.struct_size = sizeof encoding, .capacity = 64, .ids = ids};
    if (cloze_tokenize(tokenizer, &texts, NULL, &encoding) == CLOZE_OK) {
      for (size_t i = 0; i < encoding.size && i < 64; i++) {
        if (ids[i] < 0 || ids[i] >= cloze_tokenizer_vocab_size(tokenizer)) abort();
      }
    }
    if (cloze_tokenizer_lookup(tokenizer, "Text", &id) == CLOZE_OK && id < 0) abort();
    cloze_tokenizer_free(tokenizer);
  } else if (tokenizer != NULL) {
    abort();
  }
  remove_file(name);
  return 0;
}
