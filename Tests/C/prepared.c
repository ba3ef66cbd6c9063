/* Section 3 of cloze.h: models in their prepared form. */
#include "check.h"

#include <unistd.h>

/* The path of a file that is not there yet, in a folder of the test's own. */
static const char *new_path(void) {
  static char path[32];
  strcpy(path, "/tmp/cloze-XXXXXX/model.cloze");
  char *slash = strrchr(path, '/');
  *slash = '\0';
  CHECK(mkdtemp(path) != NULL);
  *slash = '/';
  return path;
}

static void remove_path(const char *path) {
  char folder[64];
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
  CHECK(remove(path) == 0);
  CHECK(rmdir(folder) == 0); /* nothing else is in it */
}

static float *embed(cloze_model *model) {
  const char *words[] = {"The first world war began in 1914.", "\xE5\x8C\x97\xE4\xBA\xAC"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = words};
  cloze_session *session = NULL;
  CHECK_OK(cloze_session_create(model, NULL, &session));
  float *values = allocate(2 * D, sizeof *values);
  CHECK_OK(cloze_embed_texts(session, &texts, NULL, values, 2 * D, NULL));
  cloze_session_free(session);
  return values;
}

static void same_results(void) {
  static const cloze_precision precisions[] = {CLOZE_PRECISION_DEFAULT, CLOZE_PRECISION_FLOAT32};
  for (size_t i = 0; i < COUNT(precisions); i++) {
    const char *path = new_path();
    cloze_convert_options options = {.struct_size = sizeof options, .precision = precisions[i], .threads = 2};
    CHECK_OK(cloze_convert(i == 0 ? NULL : model_path(), path, &options));
    cloze_model *original = load_model(precisions[i]), *prepared = NULL, *copied = NULL;
    CHECK_OK(cloze_model_load(path, NULL, &prepared));

    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *bytes = allocate(size + 1, 1);
    CHECK(fread(bytes + 1, 1, size, file) == size); /* not aligned */
    fclose(file);
    CHECK_OK(cloze_model_load_memory(bytes + 1, size, NULL, &copied));
    memset(bytes, 0, size + 1);
    free(bytes);

    float *expected = embed(original), *mapped = embed(prepared), *from_memory = embed(copied);
    CHECK(memcmp(expected, mapped, 2 * D * sizeof *expected) == 0);
    CHECK(memcmp(expected, from_memory, 2 * D * sizeof *expected) == 0);
    cloze_info info = {.struct_size = sizeof info};
    CHECK_OK(cloze_model_info(prepared, &info));
    CHECK(info.precision == (i == 0 ? CLOZE_PRECISION_INT8 : CLOZE_PRECISION_FLOAT32) && info.has_tokenizer == 1);
    /* The name may go while the model is in use. */
    remove_path(path);
    float *after = embed(prepared);
    CHECK(memcmp(expected, after, 2 * D * sizeof *expected) == 0);
    free(expected), free(mapped), free(from_memory), free(after);
    cloze_model_free(original), cloze_model_free(prepared), cloze_model_free(copied);
  }
}

static void tokenizer_of_ones_own(void) {
  static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwar\n";
  cloze_tokenizer *tokenizer = NULL, *found = NULL;
  CHECK_OK(cloze_tokenizer_load_memory(vocabulary, sizeof vocabulary - 1, NULL, &tokenizer));
  cloze_convert_options options = {.struct_size = sizeof options, .tokenizer = tokenizer};
  const char *path = new_path();
  CHECK_OK(cloze_convert(NULL, path, &options));
  cloze_model *model = NULL;
  CHECK_OK(cloze_model_load(path, NULL, &model));
  CHECK_OK(cloze_model_tokenizer(model, &found));
  CHECK(cloze_tokenizer_vocab_size(found) == 6 && cloze_tokenizer_id(found, "war") == 5);
  CHECK(strcmp(cloze_tokenizer_token(found, 4), "[MASK]") == 0);
  cloze_tokenizer_free(tokenizer), cloze_tokenizer_free(found), cloze_model_free(model);
  size_t size = 0;
  CHECK_OK(cloze_inspect(path, NULL, 0, &size));
  char *json = allocate(size + 1, 1);
  CHECK_OK(cloze_inspect(path, json, size + 1, &size));
  CHECK(strstr(json, "\"prepared\":{\"precision\":\"int8\"") != NULL);
  free(json);
  remove_path(path);
}

static void wrong_arguments(void) {
  CHECK_STATUS(cloze_convert(NULL, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("target");
  CHECK_STATUS(cloze_convert(NULL, "", NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_convert("/nowhere.onnx", "/tmp/a.cloze", NULL), CLOZE_NOT_FOUND);
  CHECK_MESSAGE("/nowhere.onnx");
  CHECK_STATUS(cloze_convert(NULL, "/nowhere/a.cloze", NULL), CLOZE_IO);
  CHECK_MESSAGE("/nowhere/a.cloze");
  cloze_convert_options options = {.struct_size = sizeof options, .precision = 3};
  CHECK_STATUS(cloze_convert(NULL, "/tmp/a.cloze", &options), CLOZE_INVALID_ARGUMENT);
  options = (cloze_convert_options){.struct_size = sizeof options, .threads = -1};
  CHECK_STATUS(cloze_convert(NULL, "/tmp/a.cloze", &options), CLOZE_INVALID_ARGUMENT);
  options = (cloze_convert_options){.struct_size = 3};
  CHECK_STATUS(cloze_convert(NULL, "/tmp/a.cloze", &options), CLOZE_INVALID_ARGUMENT);
}

static void damage_names_file_and_section(void) {
  const char *path = new_path();
  CHECK_OK(cloze_convert(NULL, path, NULL));
  FILE *file = fopen(path, "r+b");
  CHECK(file != NULL && fseek(file, -1, SEEK_END) == 0);
  int last = fgetc(file);
  CHECK(fseek(file, -1, SEEK_END) == 0 && fputc(last ^ 1, file) != EOF && fclose(file) == 0);
  cloze_model *model = NULL;
  CHECK_STATUS(cloze_model_load(path, NULL, &model), CLOZE_INVALID_MODEL);
  CHECK_MESSAGE(path);
  CHECK_MESSAGE("section \"nsp.biases\" is damaged");
  CHECK(model == NULL);
  remove_path(path);
}

static const struct test tests[] = {
    {"same_results", same_results},
    {"tokenizer_of_ones_own", tokenizer_of_ones_own},
    {"wrong_arguments", wrong_arguments},
    {"damage_names_file_and_section", damage_names_file_and_section},
};

MAIN(tests)
