/* Section 3 of cloze.h: loading, describing and inspecting models. */
#include "check.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static char *read_model(size_t *size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/model.onnx", model_path());
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

static void check_info(const cloze_model *model, cloze_precision precision) {
  cloze_info info = {.struct_size = sizeof info};
  CHECK_OK(cloze_model_info(model, &info));
  CHECK(info.hidden_size == D && info.num_hidden_layers == L && info.num_attention_heads == 4);
  CHECK(info.intermediate_size == 4 * D && info.vocab_size == V && info.max_position_embeddings == POSITIONS);
  CHECK(info.type_vocab_size == 2 && info.max_tokens > 0 && info.max_tokens <= POSITIONS);
  CHECK(info.precision == precision);
  CHECK(info.heads == (CLOZE_HEAD_POOLER | CLOZE_HEAD_MLM | CLOZE_HEAD_NSP));
  CHECK(info.pooling == CLOZE_POOLING_MEAN && info.normalize == 1);
  CHECK(info.isa != NULL && info.isa[0] != '\0');
  /* 7.47 M parameters of 1 or 4 bytes; int8 comes with scales and packing. */
  uint64_t parameters = 7472000;
  CHECK(info.weight_bytes >= parameters);
  CHECK(precision == CLOZE_PRECISION_FLOAT32 ? info.weight_bytes >= 4 * parameters * 95 / 100
                                             : info.weight_bytes < 3 * parameters);
}

static void built_in_model(void) {
  static const cloze_precision precisions[] = {CLOZE_PRECISION_INT8, CLOZE_PRECISION_FLOAT32};
  for (size_t i = 0; i < COUNT(precisions); i++) {
    cloze_model *model = load_model(precisions[i]);
    check_info(model, precisions[i]);
    cloze_info info = {.struct_size = sizeof info};
    CHECK_OK(cloze_model_info(model, &info));
    CHECK(info.has_tokenizer == 1);
    cloze_model_free(model);
  }
}

static void default_precision_is_int8(void) {
  cloze_model *model = NULL;
  CHECK_OK(cloze_model_load(NULL, NULL, &model));
  check_info(model, CLOZE_PRECISION_INT8);
  cloze_model_free(model);
}

static void folder_and_file(void) {
  char path[4096];
  snprintf(path, sizeof path, "%s/model.onnx", model_path());
  const char *paths[] = {model_path(), path};
  for (size_t i = 0; i < COUNT(paths); i++) {
    cloze_model *model = NULL;
    CHECK_OK(cloze_model_load(paths[i], NULL, &model));
    check_info(model, CLOZE_PRECISION_INT8);
    cloze_tokenizer *tokenizer = NULL;
    CHECK_OK(cloze_model_tokenizer(model, &tokenizer));
    cloze_model_free(model); /* the tokenizer is a handle of its own */
    CHECK(cloze_tokenizer_vocab_size(tokenizer) == V);
    cloze_tokenizer_free(tokenizer);
  }
}

static void from_memory(void) {
  size_t size = 0;
  char *bytes = read_model(&size);
  cloze_model *model = NULL;
  CHECK_OK(cloze_model_load_memory(bytes, size, NULL, &model));
  memset(bytes, 0xff, size);
  free(bytes);
  check_info(model, CLOZE_PRECISION_INT8);
  cloze_tokenizer *tokenizer = NULL;
  CHECK_STATUS(cloze_model_tokenizer(model, &tokenizer), CLOZE_NO_TOKENIZER);
  CHECK(tokenizer == NULL);

  cloze_session *session = NULL;
  CHECK_OK(cloze_session_create(model, NULL, &session));
  const char *list[] = {"text"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = list};
  float *values = allocate(D, sizeof *values);
  CHECK_STATUS(cloze_embed_texts(session, &texts, NULL, values, D, NULL), CLOZE_NO_TOKENIZER);
  free(values);
  cloze_session_free(session);
  cloze_model_free(model);
}

static void tokenizer_of_ones_own(void) {
  size_t size = 0;
  char *bytes = read_model(&size);
  cloze_tokenizer *tokenizer = NULL;
  CHECK_OK(cloze_tokenizer_load(model_path(), NULL, &tokenizer));
  cloze_load_options options = {.struct_size = sizeof options, .tokenizer = tokenizer};
  cloze_model *model = NULL;
  CHECK_OK(cloze_model_load_memory(bytes, size, &options, &model));
  cloze_tokenizer_free(tokenizer);
  free(bytes);
  tokenizer = NULL;
  CHECK_OK(cloze_model_tokenizer(model, &tokenizer));
  CHECK(cloze_tokenizer_id(tokenizer, "[MASK]") == MASK);
  cloze_tokenizer_free(tokenizer);
  cloze_model_free(model);
}

static void missing_files(void) {
  cloze_model *model = NULL;
  CHECK_STATUS(cloze_model_load("/nowhere/model.onnx", NULL, &model), CLOZE_NOT_FOUND);
  CHECK_MESSAGE("/nowhere/model.onnx");
  CHECK_STATUS(cloze_model_load("", NULL, &model), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_model_load("/proc/self/fd", NULL, &model), CLOZE_NOT_FOUND);
  CHECK_MESSAGE("model.onnx"); /* what was looked for */
  CHECK(model == NULL);
}

static void damaged_bytes(void) {
  cloze_model *model = NULL;
  CHECK_STATUS(cloze_model_load_memory("", 0, NULL, &model), CLOZE_INVALID_MODEL);
  CHECK(cloze_model_load_memory("not an onnx file", 16, NULL, &model) != CLOZE_OK);
  CHECK(model == NULL);

  size_t size = 0;
  char *bytes = read_model(&size);
  for (size_t cut = size - 1; cut > 0; cut = cut * 3 / 5) {
    cloze_status status = cloze_model_load_memory(bytes, cut, NULL, &model);
    CHECK(status == CLOZE_INVALID_MODEL || status == CLOZE_UNSUPPORTED_MODEL);
    CHECK(model == NULL);
  }
  /* Random bytes, from a fixed linear congruential generator (Numerical Recipes' constants). */
  uint32_t state = 1;
  for (size_t i = 0; i < 100000; i++) {
    state = state * 1664525u + 1013904223u;
    bytes[i] = (char)(state >> 24);
  }
  for (size_t length = 1; length <= 100000; length *= 10) {
    cloze_status status = cloze_model_load_memory(bytes, length, NULL, &model);
    CHECK(status == CLOZE_INVALID_MODEL || status == CLOZE_UNSUPPORTED_MODEL);
    CHECK(model == NULL);
  }
  free(bytes);
}

static void wrong_options(void) {
  cloze_model *model = NULL;
  cloze_load_options options = {.struct_size = sizeof options, .precision = 3};
  CHECK_STATUS(cloze_model_load(NULL, &options, &model), CLOZE_INVALID_ARGUMENT);
  options = (cloze_load_options){.struct_size = sizeof options, .precision = -1};
  CHECK_STATUS(cloze_model_load(NULL, &options, &model), CLOZE_INVALID_ARGUMENT);
  options = (cloze_load_options){.struct_size = sizeof options, .threads = 257};
  CHECK_STATUS(cloze_model_load(NULL, &options, &model), CLOZE_INVALID_ARGUMENT);
  options = (cloze_load_options){.struct_size = sizeof options, .isa = "vax"};
  cloze_status status = cloze_model_load(NULL, &options, &model);
  CHECK(status == CLOZE_INVALID_ARGUMENT || status == CLOZE_UNSUPPORTED_ISA);
  CHECK_MESSAGE("vax");
  CHECK(model == NULL);
}

static void forced_isa_is_used_or_refused(void) {
  static const char *const names[] = {"scalar", "avx2", "avx512vnni", "avxvnni", "neondot", "neoni8mm", "avx512amx"};
  for (size_t i = 0; i < COUNT(names); i++) {
    cloze_load_options options = {.struct_size = sizeof options, .isa = names[i]};
    cloze_model *model = NULL;
    cloze_status status = cloze_model_load(NULL, &options, &model);
    int present = i == 0;
#if defined(__x86_64__)
    if (i == 1) present = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (i == 2) present = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw");
    if (i == 3) present = __builtin_cpu_supports("avxvnni");
    /* ARCH_REQ_XCOMP_PERM of XFEATURE_XTILEDATA */
    if (i == 6) present = __builtin_cpu_supports("amx-int8") && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#elif defined(__aarch64__) && defined(__linux__)
    if (i == 4) present = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
    if (i == 5) present = (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
#endif
    CHECK(status == (present ? CLOZE_OK : CLOZE_UNSUPPORTED_ISA));
    if (present) {
      cloze_info info = {.struct_size = sizeof info};
      CHECK_OK(cloze_model_info(model, &info));
      CHECK(strcmp(info.isa, names[i]) == 0);
    } else {
      CHECK(model == NULL);
      CHECK_MESSAGE(names[i]);
    }
    cloze_model_free(model);
  }
}

static void isa_of_the_environment(void) {
  CHECK(setenv("CLOZE_ISA", "scalar", 1) == 0);
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  cloze_info info = {.struct_size = sizeof info};
  CHECK_OK(cloze_model_info(model, &info));
  CHECK(strcmp(info.isa, "scalar") == 0);
  cloze_model_free(model);
  CHECK(setenv("CLOZE_ISA", "vax", 1) == 0);
  model = NULL;
  CHECK(cloze_model_load(NULL, NULL, &model) != CLOZE_OK);
  CHECK_MESSAGE("vax");
}

static void inspection(void) {
  size_t size = 0;
  CHECK_OK(cloze_inspect(NULL, NULL, 0, &size));
  CHECK(size > 100);
  char *json = allocate(size + 2, 1);
  json[size + 1] = 'x';
  CHECK_STATUS(cloze_inspect(NULL, json, size, &(size_t){0}), CLOZE_BUFFER_TOO_SMALL); /* no room for the NUL */
  CHECK_OK(cloze_inspect(NULL, json, size + 1, &size));
  CHECK(strlen(json) == size && json[size + 1] == 'x');
  CHECK(json[0] == '{' && json[size - 1] == '}');
  CHECK(strstr(json, "hidden_size") != NULL && strstr(json, "\"refused\"") == NULL);
  free(json);
  CHECK_STATUS(cloze_inspect("/nowhere", NULL, 0, &size), CLOZE_NOT_FOUND);
  CHECK_MESSAGE("/nowhere");
}

static void info_of_a_smaller_or_newer_struct(void) {
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  struct {
    cloze_info info;
    uint64_t tail[2];
  } newer;
  memset(&newer, 0, sizeof newer);
  newer.info.struct_size = sizeof newer;
  CHECK_OK(cloze_model_info(model, &newer.info));
  CHECK(newer.info.hidden_size == D && newer.tail[0] == 0 && newer.tail[1] == 0);
  cloze_info info = {.struct_size = 0};
  CHECK_STATUS(cloze_model_info(model, &info), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_model_info(model, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_model_free(model);
}

static const struct test tests[] = {
    {"built_in_model", built_in_model},
    {"default_precision_is_int8", default_precision_is_int8},
    {"folder_and_file", folder_and_file},
    {"from_memory", from_memory},
    {"tokenizer_of_ones_own", tokenizer_of_ones_own},
    {"missing_files", missing_files},
    {"damaged_bytes", damaged_bytes},
    {"wrong_options", wrong_options},
    {"forced_isa_is_used_or_refused", forced_isa_is_used_or_refused},
    {"isa_of_the_environment", isa_of_the_environment},
    {"inspection", inspection},
    {"info_of_a_smaller_or_newer_struct", info_of_a_smaller_or_newer_struct},
};

MAIN(tests)
