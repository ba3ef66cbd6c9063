/* Judging a head by labelled examples, through the header alone. */
#include "check.h"

#include <unistd.h>

static const char *const words[2][4] = {
    {"terrible", "awful", "dreadful", "boring"}, {"wonderful", "great", "lovely", "charming"}};
static const char *const names[2] = {"bad", "good"};

/* The text and label of example `i`. */
static cloze_example example(int i, char text[64], const char **label) {
  *label = names[i % 2];
  snprintf(text, 64, "a %s %s", words[i % 2][i / 2 % 4], i % 3 ? "film" : "song");
  cloze_example made = {.struct_size = sizeof made, .text = text, .labels = label, .label_count = 1};
  return made;
}

static cloze_trainer *trained(cloze_model **base, cloze_model **model) {
  cloze_trainer *trainer = NULL;
  CHECK_OK(cloze_model_load(getenv("CLOZE_TEST_MODEL"), NULL, base));
  CHECK_OK(cloze_trainer_create(*base, "classify", "{\"threads\": 2}", &trainer));
  for (int i = 0; i < 80; i++) {
    char text[64];
    const char *label;
    cloze_example made = example(i, text, &label);
    CHECK_OK(cloze_trainer_add(trainer, CLOZE_SET_TRAIN, &made));
  }
  CHECK_OK(cloze_trainer_run(trainer, NULL, NULL));
  CHECK_OK(cloze_trainer_model(trainer, model));
  return trainer;
}

/* The file holds a page of HTML; it is deleted. */
static void check_page(const char *path) {
  char start[16] = {0};
  FILE *file = fopen(path, "r");
  CHECK(file && fread(start, 1, sizeof start - 1, file) == sizeof start - 1 && fclose(file) == 0);
  CHECK(strncmp(start, "<!doctype html>", 15) == 0);
  CHECK(unlink(path) == 0);
}

static void evaluates(void) {
  cloze_model *base = NULL, *model = NULL;
  cloze_trainer *trainer = trained(&base, &model);
  char json[16384], path[] = "/tmp/cloze-report-XXXXXX";
  size_t size = 0;
  CHECK(mkstemp(path) >= 0);
  CHECK_OK(cloze_trainer_evaluation(trainer, json, sizeof json, &size));
  CHECK(size == strlen(json) && strstr(json, "\"task\":\"classify\"") && strstr(json, "most frequent in training"));
  CHECK_STATUS(cloze_trainer_evaluation(trainer, json, 3, NULL), CLOZE_BUFFER_TOO_SMALL);
  CHECK_OK(cloze_trainer_report(trainer, path));
  check_page(path);
  cloze_trainer_free(trainer);

  cloze_evaluation *evaluation = NULL;
  cloze_session *session = NULL;
  CHECK_OK(cloze_evaluation_create(model, NULL, &evaluation));
  CHECK_OK(cloze_session_create(model, NULL, &session));
  CHECK_STATUS(cloze_evaluation_run(evaluation, session), CLOZE_INVALID_TEXT);
  CHECK_MESSAGE("no example");
  char file[] = "/tmp/cloze-test-XXXXXX";
  int descriptor = mkstemp(file);
  const char rows[] = "text\tlabel\na lovely film\tgood\nan awful song\tbad\n";
  CHECK(write(descriptor, rows, sizeof rows - 1) == sizeof rows - 1 && close(descriptor) == 0);
  CHECK_OK(cloze_evaluation_add_file(evaluation, file, "{\"format\": \"tsv\", \"text\": \"text\"}"));
  for (int i = 0; i < 10; i++) {
    char text[64];
    const char *label;
    cloze_example made = example(i, text, &label);
    CHECK_OK(cloze_evaluation_add(evaluation, &made));
  }
  CHECK_STATUS(cloze_evaluation_result(evaluation, json, sizeof json, &size), CLOZE_INVALID_ARGUMENT);
  CHECK_OK(cloze_evaluation_run(evaluation, session));
  CHECK_OK(cloze_evaluation_result(evaluation, NULL, 0, &size));
  CHECK(size < sizeof json);
  CHECK_OK(cloze_evaluation_result(evaluation, json, sizeof json, &size));
  CHECK(size == strlen(json) && strstr(json, "\"examples\":12") && strstr(json, "\"metric\":\"accuracy\""));
  CHECK(strstr(json, "\"labels\":[\"bad\",\"good\"]"));
  CHECK_OK(cloze_evaluation_report(evaluation, path));
  check_page(path);
  /* A file that was read is not written over. */
  CHECK_STATUS(cloze_evaluation_report(evaluation, file), CLOZE_INVALID_ARGUMENT);
  CHECK(unlink(file) == 0);
  cloze_evaluation_free(evaluation);
  cloze_session_free(session);
  cloze_model_free(model);
  cloze_model_free(base);
}

static void refuses_what_is_wrong(void) {
  cloze_model *base = NULL, *model = NULL;
  cloze_trainer *trainer = trained(&base, &model);
  cloze_trainer_free(trainer);
  cloze_evaluation *evaluation = NULL;
  CHECK_STATUS(cloze_evaluation_create(NULL, NULL, &evaluation), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_evaluation_create(model, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_evaluation_create(base, NULL, &evaluation), CLOZE_NO_HEAD);
  CHECK_STATUS(cloze_evaluation_create(model, "tag", &evaluation), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_evaluation_create(model, "translate", &evaluation), CLOZE_INVALID_ARGUMENT);
  CHECK(evaluation == NULL);
  cloze_evaluation_free(NULL);

  cloze_session *session = NULL, *other = NULL;
  CHECK_OK(cloze_session_create(model, NULL, &session));
  CHECK_OK(cloze_session_create(base, NULL, &other));
  CHECK_OK(cloze_evaluation_create(model, NULL, &evaluation));
  char text[64];
  const char *label = NULL;
  cloze_example made = example(0, text, &label);
  CHECK_OK(cloze_evaluation_add(evaluation, &made));
  CHECK_STATUS(cloze_evaluation_run(evaluation, other), CLOZE_INVALID_ARGUMENT);
  CHECK_MESSAGE("another model");
  CHECK_STATUS(cloze_evaluation_run(evaluation, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_evaluation_run(NULL, session), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_evaluation_report(evaluation, "/tmp/none"), CLOZE_INVALID_ARGUMENT);
  label = "fair";
  CHECK_OK(cloze_evaluation_add(evaluation, &made));
  CHECK_STATUS(cloze_evaluation_run(evaluation, session), CLOZE_INVALID_TEXT);
  CHECK_MESSAGE("example 1: the head has no label \"fair\"; its labels are \"bad\", \"good\"");
  made.label_count = 0;
  CHECK_STATUS(cloze_evaluation_add(evaluation, &made), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_evaluation_add(evaluation, NULL), CLOZE_INVALID_ARGUMENT);
  CHECK_STATUS(cloze_evaluation_add_file(evaluation, "/none.tsv", NULL), CLOZE_NOT_FOUND);
  CHECK_STATUS(cloze_evaluation_add_file(evaluation, NULL, NULL), CLOZE_INVALID_ARGUMENT);
  cloze_evaluation_free(evaluation);
  cloze_session_free(session);
  cloze_session_free(other);
  cloze_model_free(model);
  cloze_model_free(base);
}

static const struct test tests[] = {
    {"evaluates", evaluates},
    {"refuses_what_is_wrong", refuses_what_is_wrong},
};

MAIN(tests)
