/* Training a head, asking it, and what is refused, through the header alone. */
#include "check.h"

#include <unistd.h>

static cloze_model *base(void) {
  cloze_model *model = NULL;
  CHECK_OK(cloze_model_load(getenv("CLOZE_TEST_MODEL"), NULL, &model));
  return model;
}

static const char *const words[2][4] = {
    {"terrible", "awful", "dreadful", "boring"}, {"wonderful", "great", "lovely", "charming"}};
static const char *const names[2] = {"bad", "good"};

static void add(cloze_trainer *trainer, cloze_example_set set, int count) {
  for (int i = 0; i < count; i++) {
    char text[64];
    const char *label = names[i % 2];
    snprintf(text, sizeof text, "a %s %s", words[i % 2][i / 2 % 4], i % 3 ? "film" : "song");
    cloze_example example = {.struct_size = sizeof example, .text = text, .labels = &label, .label_count = 1};
    CHECK_OK(cloze_trainer_add(trainer, set, &example));
  }
}

struct seen {
  int calls, epochs, limit;
  cloze_trainer *trainer; /* asked to run again while it runs */
};

static int32_t watch(void *context, const cloze_training_progress *progress) {
  struct seen *seen = context;
  CHECK(progress->struct_size == sizeof *progress);
  CHECK(progress->done <= progress->total);
  if (seen->trainer) CHECK_STATUS(cloze_trainer_run(seen->trainer, NULL, NULL), CLOZE_BUSY);
  seen->calls++;
  seen->epochs += progress->ended;
  return seen->limit > 0 && seen->calls >= seen->limit;
}

static void trains_and_predicts(void) {
  cloze_model *model = base();
  cloze_trainer *trainer = NULL;
  CHECK_OK(
      cloze_trainer_create(model, "classify", "{\"epochs\": 4, \"optimizer\": \"adamw\", \"threads\": 2}", &trainer));
  cloze_model_free(model);
  add(trainer, CLOZE_SET_TRAIN, 80);
  add(trainer, CLOZE_SET_VALID, 20);
  char remarks[512];
  CHECK_OK(cloze_trainer_remarks(trainer, remarks, sizeof remarks, NULL));
  CHECK(strcmp(remarks, "[]") == 0);
  struct seen seen = {0, 0, 0, trainer};
  CHECK_OK(cloze_trainer_run(trainer, watch, &seen));
  CHECK(seen.epochs >= 1 && seen.calls > seen.epochs);

  char metrics[512];
  size_t size = 0;
  CHECK_OK(cloze_trainer_metrics(trainer, metrics, sizeof metrics, &size));
  CHECK(size == strlen(metrics) && strstr(metrics, "\"accuracy\":"));
  CHECK_STATUS(cloze_trainer_metrics(trainer, metrics, 3, NULL), CLOZE_BUFFER_TOO_SMALL);

  cloze_model *trained = NULL;
  CHECK_OK(cloze_trainer_model(trainer, &trained));
  char path[] = "/tmp/cloze-head-XXXXXX";
  CHECK(mkstemp(path) >= 0);
  CHECK_OK(cloze_trainer_save(trainer, path));
  cloze_trainer_free(trainer);
  CHECK(strcmp(cloze_model_task(trained), "classify") == 0);
  cloze_info info = {.struct_size = sizeof info};
  CHECK_OK(cloze_model_info(trained, &info));
  CHECK(info.label_count == 2 && (info.heads & CLOZE_HEAD_CLASSES));

  cloze_model *plain = base(), *again = NULL, *prepared = NULL;
  CHECK(cloze_model_task(plain) == NULL);
  CHECK_OK(cloze_model_with_head(plain, path, &again));
  char file[sizeof path + 8];
  snprintf(file, sizeof file, "%s.cloze", path);
  cloze_convert_options options = {.struct_size = sizeof options, .head = path};
  CHECK_OK(cloze_convert(getenv("CLOZE_TEST_MODEL"), file, &options));
  unlink(path);
  CHECK_STATUS(cloze_convert(getenv("CLOZE_TEST_MODEL"), file, &options), CLOZE_NOT_FOUND);
  CHECK_OK(cloze_model_load(file, NULL, &prepared));
  unlink(file);
  CHECK(strcmp(cloze_model_task(prepared), "classify") == 0);
  cloze_model_free(plain);
  const char *list[] = {"a lovely song", "an awful film"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = list};
  cloze_prediction said[3][4];
  cloze_model *models[] = {trained, again, prepared};
  for (int m = 0; m < 3; m++) {
    cloze_session *session = NULL;
    CHECK_OK(cloze_session_create(models[m], NULL, &session));
    size_t count = 0;
    uint8_t truncated[2] = {9, 9};
    CHECK_OK(cloze_predict(session, &texts, NULL, 0, &count, NULL));
    CHECK(count == 4);
    CHECK_STATUS(cloze_predict(session, &texts, said[m], 3, &count, NULL), CLOZE_BUFFER_TOO_SMALL);
    CHECK_OK(cloze_predict(session, &texts, said[m], 4, &count, truncated));
    CHECK(truncated[0] == 0 && truncated[1] == 0);
    CHECK(said[m][0].text == 0 && said[m][2].text == 1);
    CHECK(said[m][0].label == 1 && said[m][2].label == 0);
    CHECK(said[m][0].score >= said[m][1].score);
    cloze_session_free(session);
  }
  for (int i = 0; i < 4; i++) CHECK(said[0][i].score == said[1][i].score && said[0][i].score == said[2][i].score);
  cloze_model_free(trained);
  cloze_model_free(again);
  cloze_model_free(prepared);
}

/* Examples that are read, and a folder that holds a head. */
static void says_what_is_odd(void) {
  cloze_model *model = base();
  cloze_trainer *trainer = NULL;
  CHECK_OK(cloze_trainer_create(model, "classify", NULL, &trainer));
  const char *label = "good", *same = "Good", *blank = " ";
  cloze_example example = {.struct_size = sizeof example, .text = "a film", .labels = &label, .label_count = 1};
  CHECK_OK(cloze_trainer_add(trainer, CLOZE_SET_TRAIN, &example));
  example.labels = &same;
  CHECK_OK(cloze_trainer_add(trainer, CLOZE_SET_TRAIN, &example));
  example.labels = &blank;
  CHECK_STATUS(cloze_trainer_add(trainer, CLOZE_SET_TRAIN, &example), CLOZE_INVALID_TEXT);
  CHECK_MESSAGE("blank");
  char remarks[512];
  size_t size = 0;
  CHECK_OK(cloze_trainer_remarks(trainer, remarks, sizeof remarks, &size));
  CHECK(size == strlen(remarks) && strstr(remarks, "differ in case"));
  CHECK_STATUS(cloze_trainer_remarks(trainer, remarks, 2, &size), CLOZE_BUFFER_TOO_SMALL);
  CHECK_STATUS(cloze_trainer_remarks(NULL, remarks, sizeof remarks, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_trainer_free(trainer);

  char folder[] = "/tmp/cloze-train-XXXXXX", path[64], options[128];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/head.safetensors", folder);
  FILE *file = fopen(path, "w");
  CHECK(file && fclose(file) == 0);
  snprintf(options, sizeof options, "{\"output\": \"%s\"}", folder);
  CHECK_STATUS(cloze_trainer_create(model, "classify", options, &trainer), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("overwrite");
  snprintf(options, sizeof options, "{\"output\": \"%s\", \"overwrite\": true}", folder);
  CHECK_OK(cloze_trainer_create(model, "classify", options, &trainer));
  cloze_trainer_free(trainer);
  CHECK(unlink(path) == 0 && rmdir(folder) == 0);
  cloze_model_free(model);
}

/* Trains a head of pairs with two classes and ranks documents by the second. */
static void ranks(void) {
  cloze_model *model = base(), *trained = NULL;
  cloze_trainer *trainer = NULL;
  CHECK_OK(cloze_trainer_create(model, "classify-pairs", NULL, &trainer));
  for (int i = 0; i < 80; i++) {
    char text[64];
    const char *label = names[i % 2];
    snprintf(text, sizeof text, "a %s %s", words[i % 2][i / 2 % 4], i % 3 ? "film" : "song");
    cloze_example example = {
        .struct_size = sizeof example, .text = "a film", .pair = text, .labels = &label, .label_count = 1};
    CHECK_OK(cloze_trainer_add(trainer, CLOZE_SET_TRAIN, &example));
  }
  CHECK_OK(cloze_trainer_run(trainer, NULL, NULL));
  CHECK_OK(cloze_trainer_model(trainer, &trained));
  cloze_trainer_free(trainer);
  cloze_session *session = NULL, *plain = NULL;
  CHECK_OK(cloze_session_create(trained, NULL, &session));
  CHECK_OK(cloze_session_create(model, NULL, &plain));

  const char *queries[] = {"a film", "a film", "a film"};
  const char *documents[] = {"an awful song", "a lovely film", "an awful song"};
  cloze_texts pairs = {.struct_size = sizeof pairs, .count = 3, .texts = queries, .pairs = documents};
  cloze_prediction ranked[3], said[6];
  size_t count = 0;
  uint8_t truncated[3] = {9, 9, 9};
  CHECK_OK(cloze_rerank(session, &pairs, 0, NULL, 0, &count, NULL));
  CHECK(count == 3);
  CHECK_STATUS(cloze_rerank(session, &pairs, 0, ranked, 2, &count, NULL), CLOZE_BUFFER_TOO_SMALL);
  CHECK_OK(cloze_rerank(session, &pairs, 0, ranked, 3, &count, truncated));
  CHECK(count == 3 && truncated[0] == 0 && truncated[1] == 0 && truncated[2] == 0);
  CHECK(ranked[0].score >= ranked[1].score && ranked[1].score >= ranked[2].score);
  /* Equal documents have equal scores and keep their order. */
  CHECK(ranked[0].text == 1 || (ranked[0].text == 0 && ranked[1].text == 2));
  CHECK_OK(cloze_predict(session, &pairs, said, 6, &count, NULL));
  for (int i = 0; i < 3; i++) {
    CHECK(ranked[i].label == 1);
    for (int j = 0; j < 6; j++) {
      if (said[j].text == ranked[i].text && said[j].label == 1) CHECK(said[j].score == ranked[i].score);
    }
  }
  cloze_prediction first;
  CHECK_OK(cloze_rerank(session, &pairs, 1, &first, 1, &count, NULL));
  CHECK(count == 1 && first.text == ranked[0].text && first.score == ranked[0].score);

  CHECK_STATUS(cloze_rerank(plain, &pairs, 0, ranked, 3, NULL, NULL), CLOZE_NO_HEAD);
  CHECK_STATUS(cloze_rerank(session, &pairs, -1, ranked, 3, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_rerank(session, NULL, 0, ranked, 3, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_rerank(NULL, &pairs, 0, ranked, 3, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  pairs.pairs = NULL;
  CHECK_STATUS(cloze_rerank(session, &pairs, 0, ranked, 3, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("pair");
  pairs.count = 0;
  CHECK_OK(cloze_rerank(session, &pairs, 0, ranked, 3, &count, NULL));
  CHECK(count == 0);
  cloze_session_free(session);
  cloze_session_free(plain);
  cloze_model_free(trained);
  cloze_model_free(model);
}

static void groups_tags(void) {
  const char *tags[] = {"O", "B-PER", "I-PER", "B-PER", "O", "I-\xe5\x9c\xb0", "S-X", "LOC"};
  cloze_entity found[8];
  size_t count = 0;
  CHECK_OK(cloze_entities(tags, COUNT(tags), NULL, 0, &count));
  CHECK(count == 5);
  CHECK_STATUS(cloze_entities(tags, COUNT(tags), found, 4, &count), CLOZE_BUFFER_TOO_SMALL);
  CHECK(count == 5);
  CHECK_OK(cloze_entities(tags, COUNT(tags), found, 8, NULL));
  static const int64_t right[][3] = {{1, 3, 2}, {3, 4, 2}, {5, 6, 2}, {6, 7, 2}, {7, 8, 0}};
  for (size_t i = 0; i < COUNT(right); i++) {
    CHECK(found[i].begin == right[i][0] && found[i].end == right[i][1] && found[i].type_begin == right[i][2]);
  }
  CHECK_OK(cloze_entities(NULL, 0, found, 8, &count));
  CHECK(count == 0);
  CHECK_STATUS(cloze_entities(NULL, 2, found, 8, &count), CLOZE_INVALID_ARGUMENT);
  tags[3] = NULL;
  CHECK_STATUS(cloze_entities(tags, COUNT(tags), found, 8, &count), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("tags[3]");
}

static void stops_when_asked(void) {
  cloze_model *model = base();
  cloze_trainer *trainer = NULL;
  CHECK_OK(cloze_trainer_create(model, "classify", NULL, &trainer));
  add(trainer, CLOZE_SET_TRAIN, 80);
  struct seen seen = {0, 0, 2, NULL};
  CHECK_STATUS(cloze_trainer_run(trainer, watch, &seen), CLOZE_CANCELLED);
  CHECK(seen.calls == 2);
  char metrics[64];
  CHECK_STATUS(cloze_trainer_metrics(trainer, metrics, sizeof metrics, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_trainer_free(trainer);
  cloze_model_free(model);
}

static void refuses_what_is_wrong(void) {
  cloze_model *model = base(), *other = NULL;
  cloze_trainer *trainer = NULL;
  CHECK_STATUS(cloze_trainer_create(NULL, "classify", NULL, &trainer), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_trainer_create(model, "translate", NULL, &trainer), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("translate");
  CHECK_STATUS(cloze_trainer_create(model, "classify", "{\"epoch\": 3}", &trainer), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("epoch");
  CHECK_STATUS(cloze_trainer_create(model, "classify", "{\"epochs\": 0}", &trainer), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_trainer_create(model, "classify", "{", &trainer), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_trainer_create(model, "tag", "{\"unfreeze\": 1}", &trainer), CLOZE_INVALID_ARGUMENT);
  CHECK(trainer == NULL);

  CHECK_OK(cloze_trainer_create(model, "tag", NULL, &trainer));
  const char *two[] = {"a", "b"};
  cloze_example example = {
      .struct_size = sizeof example, .words = two, .word_count = 2, .labels = two, .label_count = 1};
  CHECK_STATUS(cloze_trainer_add(trainer, CLOZE_SET_TRAIN, &example), CLOZE_INVALID_ARGUMENT);
  example.label_count = 2;
  CHECK_STATUS(cloze_trainer_add(trainer, 7, &example), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_trainer_add(trainer, CLOZE_SET_TRAIN, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_trainer_add_file(trainer, CLOZE_SET_TRAIN, "/none.conll", NULL), CLOZE_NOT_FOUND);
  CHECK_STATUS(cloze_trainer_run(trainer, NULL, NULL), CLOZE_INVALID_TEXT);
  CHECK_STATUS(cloze_trainer_model(trainer, &other), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_trainer_save(trainer, "/tmp/none"), CLOZE_INVALID_ARGUMENT);
  cloze_trainer_free(trainer);
  cloze_trainer_free(NULL);

  CHECK_STATUS(cloze_trainer_create(NULL, "pretrain", NULL, &trainer), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("output");
  CHECK_STATUS(cloze_trainer_create(NULL, "pretrain", "{\"output\": \"/none\", \"precision\": \"int8\"}", &trainer),
      CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("float32, bfloat16");
  const char *options = "{\"output\": \"/none/bert\", \"steps\": 1, \"precision\": \"bfloat16\"}";
  CHECK_OK(cloze_trainer_create(NULL, "pretrain", options, &trainer));
  CHECK_STATUS(cloze_trainer_add(trainer, CLOZE_SET_TRAIN, &example), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_trainer_save(trainer, "/tmp/none"), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_trainer_run(trainer, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("no file to train on");
  CHECK_STATUS(cloze_trainer_model(trainer, &other), CLOZE_INVALID_ARGUMENT);
  cloze_trainer_free(trainer);

  CHECK_STATUS(cloze_model_with_head(model, "/none", &other), CLOZE_NOT_FOUND);
  cloze_session *session = NULL;
  CHECK_OK(cloze_session_create(model, NULL, &session));
  cloze_texts texts = {.struct_size = sizeof texts, .count = 1, .texts = two};
  cloze_prediction said[4];
  CHECK_STATUS(cloze_predict(session, &texts, said, 4, NULL, NULL), CLOZE_NO_HEAD);
  cloze_session_free(session);
  cloze_model_free(model);
}

static const struct test tests[] = {
    {"trains_and_predicts", trains_and_predicts},
    {"says_what_is_odd", says_what_is_odd},
    {"ranks", ranks},
    {"groups_tags", groups_tags},
    {"stops_when_asked", stops_when_asked},
    {"refuses_what_is_wrong", refuses_what_is_wrong},
};

MAIN(tests)
