/* Section 6 of cloze.h: embeddings, encodings, masks and pairs from text. */
#include "check.h"

#include <math.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define TAI "\xe5\x8f\xb0"                /* U+53F0 */
#define DA_XUE "\xe5\xa4\xa7\xe5\xad\xa6" /* U+5927 U+5B66 */

/* Memory of which the byte after the last is not accessible. */
static void *guarded(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
  char *memory = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED && mprotect(memory + whole, page, PROT_NONE) == 0);
  return memory + whole - size;
}

static cloze_texts list_of(const char *const *texts, size_t count) {
  return (cloze_texts){.struct_size = sizeof(cloze_texts), .count = count, .texts = texts};
}

/* A text of `words` one-token words, to be freed. */
static char *long_text(size_t words) {
  char *text = allocate(words * 4 + 1, 1);
  for (size_t i = 0; i < words; i++) memcpy(text + 4 * i, "the ", 4);
  return text;
}

static void embeddings_have_length_one(void) {
  cloze_session *session = open_session(1);
  const char *list[] = {"A cat sat on the mat.", "", TAI DA_XUE};
  cloze_texts texts = list_of(list, COUNT(list));
  float values[3 * D];
  uint8_t truncated[3] = {9, 9, 9};
  CHECK_OK(cloze_embed_texts(session, &texts, NULL, values, COUNT(values), truncated));
  for (size_t b = 0; b < COUNT(list); b++) {
    double length = 0;
    for (size_t d = 0; d < D; d++) length += (double)values[b * D + d] * values[b * D + d];
    CHECK(fabs(length - 1) < 1e-5);
    CHECK(truncated[b] == 0);
  }
  /* "" is [CLS] [SEP], as run on ids gives it. */
  static const int32_t ids[] = {2, 3}, ends[] = {0, 2};
  cloze_batch batch = {.struct_size = sizeof batch, .batch_size = 1, .input_ids = ids, .cu_seqlens = ends};
  float empty[D];
  cloze_output output = {.struct_size = sizeof output, .kind = CLOZE_OUTPUT_EMBEDDING, .values = empty, .capacity = D};
  CHECK_OK(cloze_run(session, &batch, &output, 1));
  CHECK(memcmp(empty, values + D, sizeof empty) == 0);
  cloze_session_free(session);
}

static void order_and_company_do_not_matter(void) {
  cloze_session *session = open_session(2);
  enum { COUNT_OF_TEXTS = 40 };
  char storage[COUNT_OF_TEXTS][128];
  const char *list[COUNT_OF_TEXTS], *reversed[COUNT_OF_TEXTS];
  for (size_t i = 0; i < COUNT_OF_TEXTS; i++) {
    snprintf(storage[i], sizeof storage[i], "%.*s %zu", (int)(i * 3 % 100),
        "the river flows through the north of the country and then into the sea near an old town "
        "of the west",
        i);
    list[i] = storage[i];
    reversed[COUNT_OF_TEXTS - 1 - i] = storage[i];
  }
  float *forward = allocate(COUNT_OF_TEXTS * D, sizeof(float)), *backward = allocate(COUNT_OF_TEXTS * D, sizeof(float));
  cloze_texts texts = list_of(list, COUNT_OF_TEXTS);
  CHECK_OK(cloze_embed_texts(session, &texts, NULL, forward, COUNT_OF_TEXTS * D, NULL));
  texts.texts = reversed;
  CHECK_OK(cloze_embed_texts(session, &texts, NULL, backward, COUNT_OF_TEXTS * D, NULL));
  for (size_t i = 0; i < COUNT_OF_TEXTS; i++) {
    float alone[D];
    cloze_texts one = list_of(&list[i], 1);
    CHECK_OK(cloze_embed_texts(session, &one, NULL, alone, D, NULL));
    CHECK(memcmp(alone, forward + i * D, sizeof alone) == 0);
    CHECK(memcmp(alone, backward + (COUNT_OF_TEXTS - 1 - i) * D, sizeof alone) == 0);
  }
  free(forward);
  free(backward);
  cloze_session_free(session);
}

static void cut_text_is_reported(void) {
  cloze_session *session = open_session(1);
  char *text = long_text(1000);
  const char *list[] = {"short", text};
  cloze_texts texts = list_of(list, 2);
  float values[2 * D];
  uint8_t truncated[2] = {9, 9};
  CHECK_OK(cloze_embed_texts(session, &texts, NULL, values, COUNT(values), truncated));
  CHECK(truncated[0] == 0 && truncated[1] == 1);
  cloze_embed_options options = {.struct_size = sizeof options, .truncation = CLOZE_TRUNCATION_ERROR};
  CHECK_STATUS(cloze_embed_texts(session, &texts, &options, values, COUNT(values), truncated), CLOZE_TOO_LONG);
  CHECK_MESSAGE("1002");
  options = (cloze_embed_options){.struct_size = sizeof options, .max_tokens = POSITIONS + 1};
  CHECK_STATUS(cloze_embed_texts(session, &texts, &options, values, COUNT(values), NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("257");
  options.max_tokens = -1;
  CHECK_STATUS(cloze_embed_texts(session, &texts, &options, values, COUNT(values), NULL), CLOZE_INVALID_ARGUMENT);
  /* Cut at 12 tokens: the same as ten words. */
  char *ten = long_text(10);
  options.max_tokens = 12;
  CHECK_OK(cloze_embed_texts(session, &texts, &options, values, COUNT(values), truncated));
  CHECK(truncated[1] == 1);
  float expected[D];
  const char *ten_list[] = {ten};
  cloze_texts ten_texts = list_of(ten_list, 1);
  CHECK_OK(cloze_embed_texts(session, &ten_texts, NULL, expected, D, truncated));
  CHECK(truncated[0] == 0);
  CHECK(memcmp(expected, values + D, sizeof expected) == 0);
  free(ten);
  free(text);
  cloze_session_free(session);
}

static void bad_texts(void) {
  cloze_session *session = open_session(1);
  float values[2 * D];
  const char *list[] = {"fine", "broken \xff"};
  cloze_texts texts = list_of(list, 2);
  CHECK_STATUS(cloze_embed_texts(session, &texts, NULL, values, COUNT(values), NULL), CLOZE_INVALID_TEXT);
  CHECK_MESSAGE("7"); /* the byte */
  CHECK_MESSAGE("1"); /* the text */
  texts.count = 0;
  CHECK_OK(cloze_embed_texts(session, &texts, NULL, NULL, 0, NULL)); /* no texts, no vectors */
  texts = list_of(list, 1);
  CHECK_STATUS(cloze_embed_texts(session, &texts, NULL, values, D - 1, NULL), CLOZE_BUFFER_TOO_SMALL);
  CHECK_MESSAGE("256");
  CHECK_STATUS(cloze_embed_texts(session, &texts, NULL, NULL, D, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_embed_options options = {.struct_size = sizeof options, .pooling = 17};
  CHECK_STATUS(cloze_embed_texts(session, &texts, &options, values, D, NULL), CLOZE_INVALID_ARGUMENT);
  options = (cloze_embed_options){.struct_size = sizeof options, .dimensions = D + 1};
  CHECK_STATUS(cloze_embed_texts(session, &texts, &options, values, D, NULL), CLOZE_INVALID_ARGUMENT);
  options = (cloze_embed_options){.struct_size = sizeof options, .truncation = 9};
  CHECK_STATUS(cloze_embed_texts(session, &texts, &options, values, D, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_session_free(session);
}

/* Writes a file of a folder. */
static void write_file(const char *folder, const char *name, const char *text) {
  char path[4200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* The prompts of a model's files: by name, none, and by default; and their JSON. */
static void prompts(void) {
  const char *fixtures = getenv("CLOZE_TEST_FIXTURES");
  CHECK(fixtures != NULL);
  char folder[] = "/tmp/cloze-prompts-XXXXXX", source[4200], target[4200];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(source, sizeof source, "%s/sentence-mean.onnx", fixtures);
  snprintf(target, sizeof target, "%s/model.onnx", folder);
  CHECK(symlink(source, target) == 0);
  write_file(folder, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n:\n");
  write_file(folder, "config_sentence_transformers.json",
      "{\"prompts\": {\"query\": \"b: \", \"none\": null}, \"default_prompt_name\": \"query\"}");
  cloze_model *model = NULL;
  cloze_session *session = NULL;
  CHECK_OK(cloze_model_load(folder, NULL, &model));
  CHECK_OK(cloze_session_create(model, NULL, &session));
  char json[128];
  size_t size = 0;
  CHECK_OK(cloze_model_prompts(model, NULL, 0, &size));
  CHECK_STATUS(cloze_model_prompts(model, json, size, NULL), CLOZE_BUFFER_TOO_SMALL);
  CHECK_OK(cloze_model_prompts(model, json, size + 1, NULL));
  CHECK(strcmp(json, "{\"prompts\":{\"query\":\"b: \",\"none\":\"\"},\"default_prompt_name\":\"query\"}") == 0);
  CHECK_STATUS(cloze_model_prompts(NULL, json, sizeof json, NULL), CLOZE_INVALID_ARGUMENT);
  enum { WIDTH = 20 };
  float plain[WIDTH], typed[WIDTH], found[WIDTH];
  const char *text = "a", *with_prompt = "b: a";
  cloze_texts texts = list_of(&text, 1), all = list_of(&with_prompt, 1);
  cloze_embed_options options = {.struct_size = sizeof options, .prompt = ""};
  CHECK_OK(cloze_embed_texts(session, &texts, &options, plain, WIDTH, NULL));
  CHECK_OK(cloze_embed_texts(session, &all, &options, typed, WIDTH, NULL));
  CHECK(memcmp(plain, typed, sizeof plain) != 0);
  CHECK_OK(cloze_embed_texts(session, &texts, NULL, found, WIDTH, NULL));
  CHECK(memcmp(found, typed, sizeof found) == 0);
  options.prompt = "query";
  CHECK_OK(cloze_embed_texts(session, &texts, &options, found, WIDTH, NULL));
  CHECK(memcmp(found, typed, sizeof found) == 0);
  options.prompt = "none";
  CHECK_OK(cloze_embed_texts(session, &texts, &options, found, WIDTH, NULL));
  CHECK(memcmp(found, plain, sizeof found) == 0);
  options.prompt = "other";
  CHECK_STATUS(cloze_embed_texts(session, &texts, &options, found, WIDTH, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("\"query\", \"none\"");
  /* A program whose header is older has no prompt, and gets the default. */
  options = (cloze_embed_options){.struct_size = offsetof(cloze_embed_options, prompt)};
  CHECK_OK(cloze_embed_texts(session, &texts, &options, found, WIDTH, NULL));
  CHECK(memcmp(found, typed, sizeof found) == 0);
  cloze_session_free(session);
  cloze_model_free(model);
  for (size_t i = 0; i < 3; i++) {
    const char *names[] = {"model.onnx", "vocab.txt", "config_sentence_transformers.json"};
    snprintf(target, sizeof target, "%s/%s", folder, names[i]);
    CHECK(unlink(target) == 0);
  }
  CHECK(rmdir(folder) == 0);
}

/* A dense layer after pooling makes embeddings narrower than the hidden state, or wider; with another
 * pooling they are as wide as it. The buffer has room for exactly that, and ends where memory does. */
static void buffers_hold_dense_embeddings(void) {
  static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n";
  static const struct {
    const char *file;
    int32_t width;
  } models[] = {{"sentence-dense.onnx", 9}, {"sentence-wide.onnx", 33}};
  const char *folder = getenv("CLOZE_TEST_FIXTURES");
  CHECK(folder != NULL);
  cloze_tokenizer *tokenizer = NULL;
  CHECK_OK(cloze_tokenizer_load_memory(vocabulary, sizeof vocabulary - 1, NULL, &tokenizer));
  for (size_t m = 0; m < COUNT(models); m++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, models[m].file);
    cloze_load_options load = {.struct_size = sizeof load, .tokenizer = tokenizer};
    cloze_model *model = NULL;
    cloze_session *session = NULL;
    CHECK_OK(cloze_model_load(path, &load, &model));
    CHECK_OK(cloze_session_create(model, NULL, &session));
    cloze_info info = {.struct_size = sizeof info};
    CHECK_OK(cloze_model_info(model, &info));
    CHECK(info.embedding_size == models[m].width && info.hidden_size == 20);
    const char *list[] = {"a b", "b"};
    cloze_texts texts = list_of(list, 2);
    cloze_embed_options mean = {.struct_size = sizeof mean, .pooling = CLOZE_POOLING_MEAN};
    const cloze_embed_options *options[] = {NULL, &mean};
    for (size_t i = 0; i < 2; i++) {
      size_t size = 2 * (size_t)(i == 0 ? info.embedding_size : info.hidden_size);
      float *values = guarded(size * sizeof *values);
      memset(values, 0xff, size * sizeof *values); /* NaN */
      CHECK_STATUS(cloze_embed_texts(session, &texts, options[i], values, size - 1, NULL), CLOZE_BUFFER_TOO_SMALL);
      CHECK(isnan(values[0]));
      CHECK_OK(cloze_embed_texts(session, &texts, options[i], values, size, NULL));
      for (size_t j = 0; j < size; j++) CHECK(isfinite(values[j]));
    }
    mean.pooling = CLOZE_POOLING_DEFAULT;
    mean.dimensions = info.embedding_size + 1;
    float none[1];
    CHECK_STATUS(cloze_embed_texts(session, &texts, &mean, none, 1, NULL), CLOZE_INVALID_ARGUMENT);
    cloze_session_free(session);
    cloze_model_free(model);
  }
  cloze_tokenizer_free(tokenizer);
}

static void encoding_gives_every_token(void) {
  cloze_session *session = open_session(1);
  const char *list[] = {"the world", "", "the end of the world"};
  cloze_texts texts = list_of(list, COUNT(list));
  int64_t cu_seqlens[4];
  uint8_t truncated[3];
  CHECK_OK(cloze_encode_texts(session, &texts, NULL, NULL, 0, cu_seqlens, truncated));
  CHECK(cu_seqlens[0] == 0 && cu_seqlens[1] == 4 && cu_seqlens[2] == 6 && cu_seqlens[3] == 13);
  size_t size = 13 * D;
  float *last = allocate(size, sizeof *last), *both = allocate(2 * size, sizeof *both);
  CHECK_OK(cloze_encode_texts(session, &texts, NULL, last, size, cu_seqlens, truncated));
  static const int32_t layers[] = {0, -1};
  cloze_encode_options options = {.struct_size = sizeof options, .layers = layers, .layer_count = 2};
  CHECK_OK(cloze_encode_texts(session, &texts, &options, both, 2 * size, cu_seqlens, NULL));
  for (size_t t = 0; t < 13; t++) CHECK(memcmp(both + (2 * t + 1) * D, last + t * D, D * sizeof *last) == 0);
  CHECK_STATUS(
      cloze_encode_texts(session, &texts, &options, both, 2 * size - 1, cu_seqlens, NULL), CLOZE_BUFFER_TOO_SMALL);
  CHECK_MESSAGE("6656");
  static const int32_t wrong[] = {L + 1};
  options = (cloze_encode_options){.struct_size = sizeof options, .layers = wrong, .layer_count = 1};
  CHECK_STATUS(cloze_encode_texts(session, &texts, &options, last, size, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  free(last);
  free(both);
  cloze_session_free(session);
}

static void masks_are_filled(void) {
  cloze_session *session = open_session(1);
  const char *list[] = {TAI "[MASK]" DA_XUE, "The first world [MASK] began in [MASK] ."};
  cloze_texts texts = list_of(list, 2);
  cloze_candidate candidates[15];
  size_t count = 0;
  CHECK_OK(cloze_fill_mask(session, &texts, NULL, candidates, COUNT(candidates), &count, NULL));
  CHECK(count == 15);
  static const int64_t text[] = {0, 1, 1}, position[] = {2, 4, 7};
  for (size_t m = 0; m < 3; m++) {
    for (size_t k = 0; k < 5; k++) {
      const cloze_candidate *candidate = &candidates[5 * m + k];
      CHECK(candidate->text == text[m] && candidate->position == position[m]);
      CHECK(candidate->probability > 0 && candidate->probability < 1);
      CHECK(k == 0 || candidate->probability <= candidate[-1].probability);
    }
  }
  cloze_tokenizer *tokenizer = NULL;
  cloze_model *model = load_model(CLOZE_PRECISION_DEFAULT);
  CHECK_OK(cloze_model_tokenizer(model, &tokenizer));
  CHECK(strcmp(cloze_tokenizer_token(tokenizer, candidates[0].token_id), "\xe5\x8c\x97") == 0); /* U+5317 */
  CHECK(strcmp(cloze_tokenizer_token(tokenizer, candidates[5].token_id), "war") == 0);
  CHECK(candidates[5].probability > 0.1f);

  /* With targets only these are ranked, and keep the probability they have among all. */
  int32_t targets[] = {cloze_tokenizer_id(tokenizer, "cup"), cloze_tokenizer_id(tokenizer, "war")};
  cloze_fill_mask_options options = {.struct_size = sizeof options, .top_k = 5, .targets = targets, .target_count = 2};
  cloze_texts second = list_of(list + 1, 1);
  cloze_candidate ranked[4];
  CHECK_OK(cloze_fill_mask(session, &second, &options, ranked, COUNT(ranked), &count, NULL));
  CHECK(count == 4);
  CHECK(ranked[0].token_id == targets[1] && ranked[1].token_id == targets[0]);
  CHECK(ranked[0].probability == candidates[5].probability);

  CHECK_STATUS(cloze_fill_mask(session, &texts, NULL, candidates, 14, &count, NULL), CLOZE_BUFFER_TOO_SMALL);
  CHECK(count == 15);
  CHECK_MESSAGE("15");
  cloze_tokenizer_free(tokenizer);
  cloze_model_free(model);
  cloze_session_free(session);
}

static void probabilities_sum_to_one(void) {
  cloze_session *session = open_session(1);
  const char *list[] = {TAI "[MASK]" DA_XUE};
  cloze_texts texts = list_of(list, 1);
  cloze_fill_mask_options options = {.struct_size = sizeof options, .top_k = V + 1000};
  cloze_candidate *candidates = allocate(V, sizeof *candidates);
  size_t count = 0;
  CHECK_OK(cloze_fill_mask(session, &texts, &options, candidates, V, &count, NULL));
  CHECK(count == V);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += candidates[i].probability;
  CHECK(fabs(sum - 1) < 1e-4);
  free(candidates);
  cloze_session_free(session);
}

static void masks_that_are_not_there(void) {
  cloze_session *session = open_session(1);
  cloze_candidate candidates[5];
  size_t count = 0;
  const char *list[] = {"[MASK] fine", "no mask"};
  cloze_texts texts = list_of(list, 2);
  CHECK_STATUS(cloze_fill_mask(session, &texts, NULL, candidates, 5, &count, NULL), CLOZE_INVALID_TEXT);
  CHECK_MESSAGE("[MASK]");
  char *text = long_text(300);
  memcpy(text + 1192, " [MASK]", 8);
  list[0] = text;
  texts = list_of(list, 1);
  CHECK_STATUS(cloze_fill_mask(session, &texts, NULL, candidates, 5, &count, NULL), CLOZE_INVALID_TEXT);
  free(text);
  list[0] = "[MASK]";
  int32_t targets[] = {V};
  cloze_fill_mask_options options = {.struct_size = sizeof options, .targets = targets, .target_count = 1};
  CHECK_STATUS(cloze_fill_mask(session, &texts, &options, candidates, 5, &count, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("16000");
  options = (cloze_fill_mask_options){.struct_size = sizeof options, .top_k = -1};
  CHECK_STATUS(cloze_fill_mask(session, &texts, &options, candidates, 5, &count, NULL), CLOZE_INVALID_ARGUMENT);
  options = (cloze_fill_mask_options){.struct_size = sizeof options, .reserved = 1};
  CHECK_STATUS(cloze_fill_mask(session, &texts, &options, candidates, 5, &count, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_session_free(session);
}

static void next_sentence_tells_apart(void) {
  cloze_session *session = open_session(1);
  const char *first[] = {"He was born in London in 1850.", "He was born in London in 1850."};
  const char *second[] = {"His father was a doctor there.", "The enzyme catalyses the reaction of hydrogen."};
  cloze_texts pairs = {.struct_size = sizeof pairs, .count = 2, .texts = first, .pairs = second};
  float probabilities[2] = {-1, -1};
  uint8_t truncated[2] = {9, 9};
  CHECK_OK(cloze_next_sentence(session, &pairs, NULL, probabilities, 2, truncated));
  CHECK(probabilities[0] > 0.9f && probabilities[0] <= 1);
  CHECK(probabilities[1] < 0.3f && probabilities[1] >= 0);
  CHECK(truncated[0] == 0 && truncated[1] == 0);
  CHECK_STATUS(cloze_next_sentence(session, &pairs, NULL, probabilities, 1, NULL), CLOZE_BUFFER_TOO_SMALL);
  CHECK_MESSAGE("2");
  pairs.pairs = NULL;
  CHECK_STATUS(cloze_next_sentence(session, &pairs, NULL, probabilities, 2, NULL), CLOZE_INVALID_ARGUMENT);
  second[1] = NULL;
  pairs.pairs = second;
  CHECK_STATUS(cloze_next_sentence(session, &pairs, NULL, probabilities, 2, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_session_free(session);
}

static const struct test tests[] = {
    {"embeddings_have_length_one", embeddings_have_length_one},
    {"order_and_company_do_not_matter", order_and_company_do_not_matter},
    {"cut_text_is_reported", cut_text_is_reported},
    {"bad_texts", bad_texts},
    {"prompts", prompts},
    {"buffers_hold_dense_embeddings", buffers_hold_dense_embeddings},
    {"encoding_gives_every_token", encoding_gives_every_token},
    {"masks_are_filled", masks_are_filled},
    {"probabilities_sum_to_one", probabilities_sum_to_one},
    {"masks_that_are_not_there", masks_that_are_not_there},
    {"next_sentence_tells_apart", next_sentence_tells_apart},
};

MAIN(tests)
