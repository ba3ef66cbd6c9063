/* Section 2 of cloze.h: tokenizers. */
#include "check.h"

static cloze_tokenizer *load_tokenizer(void) {
  cloze_tokenizer *tokenizer = NULL;
  CHECK_OK(cloze_tokenizer_load(model_path(), NULL, &tokenizer));
  CHECK(tokenizer != NULL);
  return tokenizer;
}

/* Reads a file of the built-in model's folder. */
static char *read_file(const char *name, size_t *size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", model_path(), name);
  FILE *file = fopen(path, "rb");
  CHECK(file != NULL);
  CHECK(fseek(file, 0, SEEK_END) == 0);
  *size = (size_t)ftell(file);
  rewind(file);
  char *bytes = allocate(*size, 1);
  CHECK(fread(bytes, 1, *size, file) == *size);
  fclose(file);
  return bytes;
}

enum { CAPACITY = 64 };

/* Room for CAPACITY tokens of up to 8 texts. */
struct result {
  int32_t ids[CAPACITY], type_ids[CAPACITY], sequence_ids[CAPACITY];
  int64_t offsets[CAPACITY][2], cu_seqlens[9];
  uint8_t truncated[8];
  cloze_encoding encoding;
};

static void prepare(struct result *result) {
  memset(result, 0x55, sizeof *result);
  result->encoding = (cloze_encoding){.struct_size = sizeof(cloze_encoding),
      .capacity = CAPACITY,
      .ids = result->ids,
      .type_ids = result->type_ids,
      .offsets = &result->offsets[0][0],
      .cu_seqlens = result->cu_seqlens,
      .truncated = result->truncated,
      .sequence_ids = result->sequence_ids};
}

static void vocabulary(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  CHECK(cloze_tokenizer_vocab_size(tokenizer) == V);
  CHECK(strcmp(cloze_tokenizer_token(tokenizer, MASK), "[MASK]") == 0);
  CHECK(cloze_tokenizer_id(tokenizer, "[MASK]") == MASK);
  for (int32_t id = 0; id < V; id++) {
    const char *token = cloze_tokenizer_token(tokenizer, id);
    CHECK(token != NULL && token[0] != '\0');
    CHECK(cloze_tokenizer_id(tokenizer, token) == id);
  }
  CHECK(cloze_tokenizer_token(tokenizer, -1) == NULL);
  CHECK(cloze_tokenizer_token(tokenizer, V) == NULL);
  CHECK(cloze_tokenizer_token(tokenizer, INT32_MIN) == NULL);
  CHECK(cloze_tokenizer_id(tokenizer, "not a token") == -1);
  CHECK(cloze_tokenizer_id(tokenizer, "") == -1);
  CHECK(cloze_tokenizer_id(tokenizer, "\xff\xfe") == -1);
  CHECK(cloze_tokenizer_id(tokenizer, NULL) == -1);
  int32_t id = 0;
  CHECK_STATUS(cloze_tokenizer_lookup(tokenizer, "war", &id), CLOZE_OK);
  CHECK(id == cloze_tokenizer_id(tokenizer, "war"));
  CHECK_STATUS(cloze_tokenizer_lookup(tokenizer, "War", &id), CLOZE_INVALID_ARGUMENT);
  CHECK(id == -1 && strstr(cloze_last_error(), "\"war\"") != NULL);
  CHECK_STATUS(cloze_tokenizer_lookup(tokenizer, "\xff", &id), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_tokenizer_lookup(tokenizer, NULL, &id), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_tokenizer_lookup(tokenizer, "war", NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_tokenizer_lookup(NULL, "war", &id), CLOZE_INVALID_ARGUMENT);
  cloze_tokenizer_free(tokenizer);
}

static void texts_and_offsets(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  const char *list[] = {"The world, \xe5\x8f\xb0[MASK]!", ""};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = list};
  struct result result;
  prepare(&result);
  CHECK_OK(cloze_tokenize(tokenizer, &texts, NULL, &result.encoding));
  static const char *const tokens[] = {
      "[CLS]", "the", "world", ",", "\xe5\x8f\xb0", "[MASK]", "!", "[SEP]", "[CLS]", "[SEP]"};
  static const int64_t offsets[][2] = {
      {0, 0}, {0, 3}, {4, 9}, {9, 10}, {11, 14}, {14, 20}, {20, 21}, {0, 0}, {0, 0}, {0, 0}};
  CHECK(result.encoding.size == COUNT(tokens));
  for (size_t i = 0; i < COUNT(tokens); i++) {
    CHECK(strcmp(cloze_tokenizer_token(tokenizer, result.ids[i]), tokens[i]) == 0);
    CHECK(result.offsets[i][0] == offsets[i][0] && result.offsets[i][1] == offsets[i][1]);
    CHECK(result.type_ids[i] == 0);
  }
  CHECK(result.cu_seqlens[0] == 0 && result.cu_seqlens[1] == 8 && result.cu_seqlens[2] == 10);
  CHECK(result.truncated[0] == 0 && result.truncated[1] == 0);
  CHECK(result.ids[10] == 0x55555555); /* nothing past the end */
  cloze_tokenizer_free(tokenizer);
}

static void pairs(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  const char *first[] = {"one world", "two"}, *second[] = {"the end", NULL};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = first, .pairs = second};
  struct result result;
  prepare(&result);
  CHECK_OK(cloze_tokenize(tokenizer, &texts, NULL, &result.encoding));
  static const int32_t type_ids[] = {0, 0, 0, 0, 1, 1, 1, 0, 0, 0};
  CHECK(result.encoding.size == COUNT(type_ids));
  CHECK(memcmp(result.type_ids, type_ids, sizeof type_ids) == 0);
  static const int32_t sequence_ids[] = {-1, 0, 0, -1, 1, 1, -1, -1, 0, -1};
  CHECK(memcmp(result.sequence_ids, sequence_ids, sizeof sequence_ids) == 0);
  CHECK(result.cu_seqlens[1] == 7);
  CHECK(result.offsets[4][0] == 0 && result.offsets[4][1] == 3); /* in the second text */
  cloze_tokenizer_free(tokenizer);
}

static void lengths_are_obeyed(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  const char *list[] = {"world\0world", "world and more"};
  size_t lengths[] = {11, 5};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = list, .lengths = lengths};
  struct result result;
  prepare(&result);
  CHECK_OK(cloze_tokenize(tokenizer, &texts, NULL, &result.encoding));
  CHECK(result.cu_seqlens[2] - result.cu_seqlens[1] == 3);
  /* NUL is a control character, which BERT's normaliser drops. */
  CHECK(result.cu_seqlens[1] >= 3);
  cloze_tokenizer_free(tokenizer);
}

static void counting_only(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  const char *list[] = {"the world", "the"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = list};
  int64_t cu_seqlens[3];
  cloze_encoding encoding = {.struct_size = sizeof encoding, .cu_seqlens = cu_seqlens};
  CHECK_OK(cloze_tokenize(tokenizer, &texts, NULL, &encoding));
  CHECK(encoding.size == 7 && cu_seqlens[1] == 4 && cu_seqlens[2] == 7);
  cloze_tokenizer_free(tokenizer);
}

static void buffer_too_small_says_how_much(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  const char *list[] = {"the world and the end"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = list};
  struct result result;
  prepare(&result);
  result.encoding.capacity = 6;
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, NULL, &result.encoding), CLOZE_BUFFER_TOO_SMALL);
  CHECK_MESSAGE("7");
  CHECK(result.encoding.size == 7);
  CHECK(result.ids[6] == 0x55555555);
  result.encoding.capacity = 7;
  CHECK_OK(cloze_tokenize(tokenizer, &texts, NULL, &result.encoding));
  cloze_tokenizer_free(tokenizer);
}

static void truncation(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  const char *first[] = {"one two three four"}, *second[] = {"the world"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = first, .pairs = second};
  struct result result;
  cloze_tokenize_options options = {.struct_size = sizeof options, .max_tokens = 7};
  prepare(&result);
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, &options, &result.encoding), CLOZE_TOO_LONG);
  CHECK_MESSAGE("9");
  options.truncation = CLOZE_TRUNCATION_ERROR;
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, &options, &result.encoding), CLOZE_TOO_LONG);

  static const struct {
    cloze_truncation truncation;
    int64_t second_begins;
  } expected[] = {
      {CLOZE_TRUNCATION_LONGEST_FIRST, 4}, {CLOZE_TRUNCATION_ONLY_FIRST, 4}, {CLOZE_TRUNCATION_ONLY_SECOND, 6}};
  for (size_t i = 0; i < COUNT(expected); i++) {
    options.truncation = expected[i].truncation;
    options.max_tokens = expected[i].truncation == CLOZE_TRUNCATION_ONLY_SECOND ? 8 : 7;
    prepare(&result);
    CHECK_OK(cloze_tokenize(tokenizer, &texts, &options, &result.encoding));
    CHECK(result.encoding.size == (size_t)options.max_tokens);
    CHECK(result.truncated[0] == 1);
    CHECK(result.type_ids[expected[i].second_begins - 1] == 0 && result.type_ids[expected[i].second_begins] == 1);
  }
  options.max_tokens = 9;
  prepare(&result);
  CHECK_OK(cloze_tokenize(tokenizer, &texts, &options, &result.encoding));
  CHECK(result.encoding.size == 9 && result.truncated[0] == 0);

  options.truncation = 5;
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, &options, &result.encoding), CLOZE_INVALID_ARGUMENT);
  options = (cloze_tokenize_options){.struct_size = sizeof options, .max_tokens = -1};
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, &options, &result.encoding), CLOZE_INVALID_ARGUMENT);
  cloze_tokenizer_free(tokenizer);
}

static void invalid_utf8_names_the_byte(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  static const char *const broken[] = {"ab\xff", "ab\xc0\xaf", "ab\xed\xa0\x80", "ab\xe5\x8f", "ab\xf5\x80\x80\x80"};
  for (size_t i = 0; i < COUNT(broken); i++) {
    const char *list[] = {"fine", broken[i]};
    cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = list};
    struct result result;
    prepare(&result);
    CHECK_STATUS(cloze_tokenize(tokenizer, &texts, NULL, &result.encoding), CLOZE_INVALID_TEXT);
    CHECK_MESSAGE("2");
  }
  cloze_tokenizer_free(tokenizer);
}

static void switches_of_the_normaliser(void) {
  static const struct {
    int32_t lowercase, strip_accents;
    int same; /* as the files say */
  } cases[] = {{0, 0, 1}, {1, 1, 1}, {2, 0, 0}, {1, 2, 0}};
  const char *list[] = {"\xc3\x89t\xc3\xa9"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = list};
  cloze_tokenizer *plain = load_tokenizer();
  struct result expected;
  prepare(&expected);
  CHECK_OK(cloze_tokenize(plain, &texts, NULL, &expected.encoding));
  for (size_t i = 0; i < COUNT(cases); i++) {
    cloze_tokenizer_options options = {
        .struct_size = sizeof options, .lowercase = cases[i].lowercase, .strip_accents = cases[i].strip_accents};
    cloze_tokenizer *tokenizer = NULL;
    CHECK_OK(cloze_tokenizer_load(model_path(), &options, &tokenizer));
    struct result result;
    prepare(&result);
    CHECK_OK(cloze_tokenize(tokenizer, &texts, NULL, &result.encoding));
    int same = result.encoding.size == expected.encoding.size &&
               memcmp(result.ids, expected.ids, expected.encoding.size * sizeof(int32_t)) == 0;
    CHECK(same == cases[i].same);
    cloze_tokenizer_free(tokenizer);
  }
  cloze_tokenizer_options wrong = {.struct_size = sizeof wrong, .lowercase = 3};
  cloze_tokenizer *tokenizer = NULL;
  CHECK_STATUS(cloze_tokenizer_load(model_path(), &wrong, &tokenizer), CLOZE_INVALID_ARGUMENT);
  CHECK(tokenizer == NULL);
  cloze_tokenizer_free(plain);
}

static void from_files_and_memory(void) {
  static const char *const names[] = {"vocab.txt", "tokenizer.json"};
  for (size_t i = 0; i < COUNT(names); i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", model_path(), names[i]);
    cloze_tokenizer *tokenizer = NULL;
    CHECK_OK(cloze_tokenizer_load(path, NULL, &tokenizer));
    CHECK(cloze_tokenizer_vocab_size(tokenizer) == V);
    cloze_tokenizer_free(tokenizer);

    size_t size = 0;
    char *bytes = read_file(names[i], &size);
    tokenizer = NULL;
    CHECK_OK(cloze_tokenizer_load_memory(bytes, size, NULL, &tokenizer));
    memset(bytes, 0, size); /* the bytes are the caller's again */
    free(bytes);
    CHECK(cloze_tokenizer_vocab_size(tokenizer) == V);
    CHECK(cloze_tokenizer_id(tokenizer, "[MASK]") == MASK);
    cloze_tokenizer_free(tokenizer);
  }
}

static void damaged_files_are_refused(void) {
  cloze_tokenizer *tokenizer = NULL;
  CHECK_STATUS(cloze_tokenizer_load("/nowhere", NULL, &tokenizer), CLOZE_NOT_FOUND);
  CHECK_MESSAGE("/nowhere");
  CHECK_STATUS(cloze_tokenizer_load("/proc/self/fd", NULL, &tokenizer), CLOZE_NOT_FOUND); /* a folder without one */
  CHECK(cloze_tokenizer_load_memory("", 0, NULL, &tokenizer) != CLOZE_OK);
  CHECK(cloze_tokenizer_load_memory("{\"model\": {\"vocab\": 3}}", 23, NULL, &tokenizer) != CLOZE_OK);
  CHECK(cloze_tokenizer_load_memory("\xff\xfe\x00\x01", 4, NULL, &tokenizer) != CLOZE_OK);
  CHECK(cloze_tokenizer_load_memory("one\ntwo\n", 8, NULL, &tokenizer) != CLOZE_OK); /* no [UNK], no [CLS] */
  size_t size = 0;
  char *bytes = read_file("tokenizer.json", &size);
  for (size_t cut = 1; cut < size; cut += size / 97 + 1) {
    CHECK(cloze_tokenizer_load_memory(bytes, cut, NULL, &tokenizer) != CLOZE_OK);
    CHECK(tokenizer == NULL);
    CHECK(cloze_last_error()[0] != '\0');
  }
  free(bytes);
}

static void wrong_lists_are_refused(void) {
  cloze_tokenizer *tokenizer = load_tokenizer();
  const char *list[] = {NULL};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1};
  cloze_encoding encoding = {.struct_size = sizeof encoding};
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, NULL, &encoding), CLOZE_INVALID_ARGUMENT);
  texts.texts = list;
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, NULL, &encoding), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_tokenize(tokenizer, NULL, NULL, &encoding), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  encoding.struct_size = 3;
  list[0] = "fine";
  CHECK_STATUS(cloze_tokenize(tokenizer, &texts, NULL, &encoding), CLOZE_INVALID_ARGUMENT);
  cloze_tokenizer_free(tokenizer);
}

/* The path of a name in a new folder. */
static const char *in_folder(const char *name) {
  static char folder[64], path[128];
  if (folder[0] == '\0') {
    strcpy(folder, "/tmp/cloze-vocabulary-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
  }
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void a_vocabulary_is_learned(void) {
  char text[128], output[128], json[2048];
  strcpy(text, in_folder("text.txt"));
  strcpy(output, in_folder("out"));
  FILE *file = fopen(text, "w");
  CHECK(file != NULL);
  CHECK(fputs("low lower lowest\nlow new newer newest\n", file) >= 0 && fclose(file) == 0);

  const char *files[] = {text, text};
  cloze_vocabulary_options options = {.struct_size = sizeof options, .threads = 2};
  size_t size = 0;
  CHECK_STATUS(cloze_vocabulary_train(files, 2, 40, output, &options, json, 8, &size), CLOZE_BUFFER_TOO_SMALL);
  CHECK(size > 8);
  CHECK_OK(cloze_vocabulary_train(files, 2, 40, output, &options, json, sizeof json, &size));
  CHECK(strlen(json) == size && strstr(json, "\"words\":14") != NULL);
  cloze_tokenizer *tokenizer = NULL;
  CHECK_OK(cloze_tokenizer_load(output, NULL, &tokenizer));
  CHECK(cloze_tokenizer_id(tokenizer, "lowest") > 0 && cloze_tokenizer_id(tokenizer, "[MASK]") == 4);
  cloze_tokenizer_free(tokenizer);

  CHECK_STATUS(cloze_vocabulary_train(files, 1, 40, output, NULL, NULL, 0, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("tokenizer");
  options.overwrite = 1;
  CHECK_OK(cloze_vocabulary_train(files, 1, 40, output, &options, NULL, 0, NULL));
  CHECK_STATUS(cloze_vocabulary_train(files, 1, 10, output, &options, NULL, 0, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("or more");
  CHECK_STATUS(cloze_vocabulary_train(NULL, 1, 40, output, &options, NULL, 0, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_vocabulary_train(files, 0, 40, output, &options, NULL, 0, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_vocabulary_train(files, 1, 40, NULL, &options, NULL, 0, NULL), CLOZE_INVALID_ARGUMENT);
  options.lowercase = 3;
  CHECK_STATUS(cloze_vocabulary_train(files, 1, 40, output, &options, NULL, 0, NULL), CLOZE_INVALID_ARGUMENT);
  options = (cloze_vocabulary_options){.struct_size = sizeof options, .overwrite = 1};
  files[1] = in_folder("absent");
  CHECK_STATUS(cloze_vocabulary_train(files, 2, 40, output, &options, NULL, 0, NULL), CLOZE_NOT_FOUND);
  files[1] = NULL;
  CHECK_STATUS(cloze_vocabulary_train(files, 2, 40, output, &options, NULL, 0, NULL), CLOZE_INVALID_ARGUMENT);
  file = fopen(text, "w");
  CHECK(file != NULL);
  CHECK(fputs("fine\n\xFF\n", file) >= 0 && fclose(file) == 0);
  CHECK_STATUS(cloze_vocabulary_train(files, 1, 40, output, &options, NULL, 0, NULL), CLOZE_INVALID_TEXT);
  CHECK_MESSAGE("line 2");

  const char *names[] = {"out/vocab.txt", "out/tokenizer.json", "out/tokenizer_config.json", "out", "text.txt", ""};
  for (size_t i = 0; i < COUNT(names); i++) CHECK(remove(in_folder(names[i])) == 0);
}

static const struct test tests[] = {
    {"vocabulary", vocabulary},
    {"texts_and_offsets", texts_and_offsets},
    {"pairs", pairs},
    {"lengths_are_obeyed", lengths_are_obeyed},
    {"counting_only", counting_only},
    {"buffer_too_small_says_how_much", buffer_too_small_says_how_much},
    {"truncation", truncation},
    {"invalid_utf8_names_the_byte", invalid_utf8_names_the_byte},
    {"switches_of_the_normaliser", switches_of_the_normaliser},
    {"from_files_and_memory", from_files_and_memory},
    {"damaged_files_are_refused", damaged_files_are_refused},
    {"wrong_lists_are_refused", wrong_lists_are_refused},
    {"a_vocabulary_is_learned", a_vocabulary_is_learned},
};

MAIN(tests)
