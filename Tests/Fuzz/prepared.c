/* A prepared model with bytes of it changed and, mostly, its checksums made right again: refused with a message, or
 * loaded and run.
 *
 * An input is a byte of choices and then changes of eight bytes: u32 place, u8 how, three bytes of new content. */
#define _GNU_SOURCE
#include <cloze.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *sound;
static size_t sound_size;

static void make_sound(void) {
  static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n##b\nword\n";
  char path[] = "/tmp/cloze-fuzz-XXXXXX";
  int descriptor = mkstemp(path);
  cloze_tokenizer *tokenizer = NULL;
  if (descriptor < 0 || cloze_tokenizer_load_memory(vocabulary, sizeof vocabulary - 1, NULL, &tokenizer) != CLOZE_OK)
    abort();
  close(descriptor);
  cloze_convert_options options = {.struct_size = sizeof options, .tokenizer = tokenizer};
  if (cloze_convert(getenv("CLOZE_FUZZ_TINY_MODEL"), path, &options) != CLOZE_OK) abort();
  cloze_tokenizer_free(tokenizer);
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) abort();
  sound_size = (size_t)ftell(file);
  rewind(file);
  sound = malloc(sound_size);
  if (sound == NULL || fread(sound, 1, sound_size, file) != sound_size) abort();
  fclose(file);
  unlink(path);
}

static uint32_t checksum(const uint8_t *bytes, size_t count) {
  uint32_t state = ~0u;
  for (size_t i = 0; i < count; i++) {
    state ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) state = state >> 1 ^ (0x82F63B78u & (0u - (state & 1)));
  }
  return ~state;
}

/* Numbers as this machine has them; the format is little-endian. */
static uint64_t number(const uint8_t *at, size_t width) {
  uint64_t value = 0;
  memcpy(&value, at, width);
  return value;
}

static void put(uint8_t *at, uint32_t value) { memcpy(at, &value, sizeof value); }

/* Makes every checksum right of which the bytes are there. */
static void repair(uint8_t *bytes, size_t size) {
  if (size < 64) return;
  uint64_t count = number(bytes + 24, 4);
  if (count <= (size - 64) / 96) {
    for (uint8_t *entry = bytes + 64; entry < bytes + 64 + count * 96; entry += 96) {
      uint64_t offset = number(entry + 64, 8), length = number(entry + 72, 8);
      if (offset <= size && length <= size - offset) put(entry + 84, checksum(bytes + offset, length));
    }
    put(bytes + 32, checksum(bytes + 64, count * 96));
  }
  put(bytes + 60, checksum(bytes, 60));
}

static void use(cloze_model *model) {
  cloze_info info = {.struct_size = sizeof info};
  if (cloze_model_info(model, &info) != CLOZE_OK) abort();
  cloze_session_options one = {.struct_size = sizeof one, .threads = 1};
  cloze_session *session = NULL;
  if (cloze_session_create(model, &one, &session) != CLOZE_OK) return;
  int32_t ids[] = {0, 0}, ends[] = {0, 2};
  cloze_batch batch = {.struct_size = sizeof batch, .batch_size = 1, .input_ids = ids, .cu_seqlens = ends};
  for (int kind = CLOZE_OUTPUT_HIDDEN; kind <= CLOZE_OUTPUT_NSP; kind++) {
    cloze_output output = {.struct_size = sizeof output, .kind = kind};
    if (cloze_run(session, &batch, &output, 1) != CLOZE_OK || output.size >= 1u << 20) continue;
    output.capacity = output.size;
    output.values = malloc(output.size * sizeof(float));
    if (output.values != NULL) cloze_run(session, &batch, &output, 1);
    free(output.values);
  }
  const char *words[] = {"a aab word [MASK] \xC3\xA9"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = words};
  size_t room = (size_t)info.hidden_size;
  float *values = room < 1u << 20 ? malloc(room * sizeof *values) : NULL;
  if (values != NULL) cloze_embed_texts(session, &texts, NULL, values, room, NULL);
  free(values);
  cloze_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (sound == NULL) make_sound();
  if (size == 0) return 0;
  uint8_t choices = *data++;
  size_t length = choices & 1 ? sound_size - choices * (size_t)8 % sound_size : sound_size;
  uint8_t *bytes = malloc(length);
  if (bytes == NULL) abort();
  memcpy(bytes, sound, length);
  for (size--; size >= 8; data += 8, size -= 8) {
    /* Half of them in what is no array: header, table, configuration. */
    size_t within = data[4] & 1 ? length : length < 8192 ? length : 8192;
    for (size_t i = 0, place = number(data, 4) % within; i < 3 && place + i < length; i++) {
      if (data[4] & 2)
        bytes[place + i] = data[5 + i];
      else
        bytes[place + i] ^= data[5 + i];
    }
  }
  if (!(choices & 2)) repair(bytes, length);
  cloze_model *model = NULL;
  if (cloze_model_load_memory(bytes, length, NULL, &model) == CLOZE_OK)
    use(model);
  else if (model != NULL || cloze_last_error()[0] == '\0')
    abort();
  free(bytes);
  cloze_model_free(model);
  return 0;
}
