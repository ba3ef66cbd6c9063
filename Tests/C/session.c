/* Section 4 of cloze.h: sessions, alone and together: lifetimes, threads, cancelling, fork. */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const sentences[] = {"He was born in London in 1850.", "The world war began in 1914.",
    "\xe5\x8f\xb0\xe5\x8c\x97\xe5\xa4\xa7\xe5\xad\xa6", "", "A river in the north of France that flows into the sea."};

static void embed(cloze_session *session, float *values) {
  cloze_texts texts = {.struct_size = sizeof texts, .count = COUNT(sentences), .texts = sentences};
  CHECK_OK(cloze_embed_texts(session, &texts, NULL, values, COUNT(sentences) * D, NULL));
}

/* The bytes that every session must give for `sentences`. */
static float *expected_embeddings(void) {
  cloze_session *session = open_session(1);
  float *values = allocate(COUNT(sentences) * D, sizeof *values);
  embed(session, values);
  cloze_session_free(session);
  return values;
}

static void check_embeddings(cloze_session *session, const float *expected) {
  float *values = allocate(COUNT(sentences) * D, sizeof *values);
  embed(session, values);
  CHECK(memcmp(values, expected, COUNT(sentences) * D * sizeof *values) == 0);
  free(values);
}

static void number_of_threads(void) {
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  static const int32_t good[] = {1, 2, 4, 256};
  for (size_t i = 0; i < COUNT(good); i++) {
    cloze_session_options options = {.struct_size = sizeof options, .threads = good[i]};
    cloze_session *session = NULL;
    CHECK_OK(cloze_session_create(model, &options, &session));
    CHECK(cloze_session_threads(session) == good[i]);
    cloze_session_free(session);
  }
  static const int32_t bad[] = {-1, 257, 10000, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < COUNT(bad); i++) {
    cloze_session_options options = {.struct_size = sizeof options, .threads = bad[i]};
    cloze_session *session = NULL;
    CHECK_STATUS(cloze_session_create(model, &options, &session), CLOZE_INVALID_ARGUMENT);
    CHECK_MESSAGE("expected 1 to 256, or 0");
    CHECK(session == NULL);
  }
  cloze_session *session = NULL;
  CHECK_OK(cloze_session_create(model, NULL, &session));
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  CHECK(cloze_session_threads(session) >= 1 && cloze_session_threads(session) <= online);
  cloze_session_free(session);
  cloze_model_free(model);
}

static void result_does_not_depend_on_threads(void) {
  float *expected = expected_embeddings();
  for (int32_t threads = 2; threads <= 4; threads++) {
    cloze_session *session = open_session(threads);
    check_embeddings(session, expected);
    cloze_session_free(session);
  }
  free(expected);
}

static void frees_in_any_order(void) {
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  cloze_tokenizer *tokenizer = NULL;
  CHECK_OK(cloze_model_tokenizer(model, &tokenizer));
  cloze_session *first = NULL, *second = NULL;
  CHECK_OK(cloze_session_create(model, NULL, &first));
  CHECK_OK(cloze_session_create(model, NULL, &second));
  cloze_session_free(first);
  cloze_model_free(model);
  float *values = allocate(COUNT(sentences) * D, sizeof *values);
  embed(second, values);
  free(values);
  cloze_session_free(second);
  CHECK(cloze_tokenizer_vocab_size(tokenizer) == V);
  cloze_tokenizer_free(tokenizer);
}

static void *free_session(void *session) {
  cloze_session_free(session);
  return NULL;
}

static void freed_on_another_thread(void) {
  cloze_session *session = open_session(2);
  float *values = allocate(COUNT(sentences) * D, sizeof *values);
  embed(session, values);
  free(values);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, free_session, session) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
}

struct worker {
  cloze_session *session;
  const float *expected;
};

static void *work(void *argument) {
  const struct worker *worker = argument;
  for (int i = 0; i < 20; i++) check_embeddings(worker->session, worker->expected);
  return NULL;
}

static void two_threads_share_a_model(void) {
  float *expected = expected_embeddings();
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  struct worker workers[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    cloze_session_options options = {.struct_size = sizeof options, .threads = 1 + i};
    workers[i].expected = expected;
    CHECK_OK(cloze_session_create(model, &options, &workers[i].session));
    CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
  }
  cloze_model_free(model);
  for (int i = 0; i < 2; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    cloze_session_free(workers[i].session);
  }
  free(expected);
}

/* A call that takes seconds, in a thread of its own. */
struct long_call {
  cloze_session *session;
  cloze_status status;
  char message[256];
};

enum { LONG_COUNT = 20000 };

static void *call_long(void *argument) {
  struct long_call *call = argument;
  const char **list = allocate(LONG_COUNT, sizeof *list);
  for (size_t i = 0; i < LONG_COUNT; i++) list[i] = sentences[COUNT(sentences) - 1];
  cloze_texts texts = {.struct_size = sizeof texts, .count = LONG_COUNT, .texts = list};
  float *values = allocate((size_t)LONG_COUNT * D, sizeof *values);
  call->status = cloze_embed_texts(call->session, &texts, NULL, values, (size_t)LONG_COUNT * D, NULL);
  snprintf(call->message, sizeof call->message, "%s", cloze_last_error());
  free(values);
  free(list);
  return NULL;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void cancelled_from_another_thread(void) {
  struct long_call call = {.session = open_session(2)};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, call_long, &call) == 0);
  usleep(100000);
  double begun = seconds();
  cloze_cancel(call.session);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(seconds() - begun < 1);
  CHECK(call.status == CLOZE_CANCELLED);
  CHECK(call.message[0] != '\0');
  /* The session works on, and an earlier cancel does not reach a later call. */
  float *expected = expected_embeddings();
  cloze_cancel(call.session);
  check_embeddings(call.session, expected);
  free(expected);
  cloze_session_free(call.session);
}

static void progress_of_a_running_call(void) {
  struct long_call call = {.session = open_session(2)};
  int64_t done = -1, total = -1, last = 0;
  cloze_session_progress(call.session, &done, &total);
  CHECK(done == 0 && total == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, call_long, &call) == 0);
  double begun = seconds();
  while (last == 0 && seconds() - begun < 60) {
    usleep(1000);
    cloze_session_progress(call.session, &done, &total);
    CHECK((total == 0 || total == LONG_COUNT) && done >= 0 && done <= total);
    last = done;
  }
  CHECK(last > 0);
  cloze_session_progress(call.session, NULL, NULL);
  cloze_cancel(call.session);
  CHECK(pthread_join(thread, NULL) == 0);
  cloze_session_progress(call.session, &done, &total);
  CHECK(done == 0 && total == 0);
  cloze_session_progress(NULL, &done, &total);
  CHECK(done == 0 && total == 0);
  cloze_session_free(call.session);
}

static void second_call_is_busy(void) {
  struct long_call call = {.session = open_session(1)};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, call_long, &call) == 0);
  usleep(100000);
  float *values = allocate(COUNT(sentences) * D, sizeof *values);
  cloze_texts texts = {.struct_size = sizeof texts, .count = COUNT(sentences), .texts = sentences};
  CHECK_STATUS(cloze_embed_texts(call.session, &texts, NULL, values, COUNT(sentences) * D, NULL), CLOZE_BUSY);
  cloze_cancel(call.session);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(call.status == CLOZE_CANCELLED);
  CHECK_OK(cloze_embed_texts(call.session, &texts, NULL, values, COUNT(sentences) * D, NULL));
  free(values);
  cloze_session_free(call.session);
}

/* Runs `run` in a child and expects it to end well within ten seconds. */
static void check_in_child(void (*run)(cloze_session *, const float *), cloze_session *session, const float *expected) {
  fflush(stdout);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(10); /* a hang ends in SIGALRM */
    run(session, expected);
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void use_old_session(cloze_session *session, const float *expected) {
  check_embeddings(session, expected);
  check_embeddings(session, expected);
}

static void make_new_session(cloze_session *session, const float *expected) {
  cloze_session *own = open_session(2);
  check_embeddings(own, expected);
  cloze_session_free(own);
  cloze_session_free(session);
}

static void session_works_after_fork(void) {
  float *expected = expected_embeddings();
  cloze_session *session = open_session(3);
  check_embeddings(session, expected); /* the threads are running */
  check_in_child(use_old_session, session, expected);
  check_in_child(make_new_session, session, expected);
  check_embeddings(session, expected);
  cloze_session_free(session);
  free(expected);
}

static void fork_while_another_session_runs(void) {
  float *expected = expected_embeddings();
  struct long_call call = {.session = open_session(2)};
  cloze_session *idle = open_session(2);
  check_embeddings(idle, expected);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, call_long, &call) == 0);
  usleep(100000);
  check_in_child(use_old_session, idle, expected);
  cloze_cancel(call.session);
  CHECK(pthread_join(thread, NULL) == 0);
  cloze_session_free(call.session);
  cloze_session_free(idle);
  free(expected);
}

static void many_sessions_come_and_go(void) {
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  float *expected = expected_embeddings();
  for (int i = 0; i < 30; i++) {
    cloze_session_options options = {.struct_size = sizeof options, .threads = 1 + i % 4};
    cloze_session *session = NULL;
    CHECK_OK(cloze_session_create(model, &options, &session));
    if (i % 3 != 0) check_embeddings(session, expected);
    cloze_session_free(session);
  }
  free(expected);
  cloze_model_free(model);
}

static const struct test tests[] = {
    {"number_of_threads", number_of_threads},
    {"result_does_not_depend_on_threads", result_does_not_depend_on_threads},
    {"frees_in_any_order", frees_in_any_order},
    {"freed_on_another_thread", freed_on_another_thread},
    {"two_threads_share_a_model", two_threads_share_a_model},
    {"cancelled_from_another_thread", cancelled_from_another_thread},
    {"progress_of_a_running_call", progress_of_a_running_call},
    {"second_call_is_busy", second_call_is_busy},
    {"session_works_after_fork", session_works_after_fork},
    {"fork_while_another_session_runs", fork_while_another_session_runs},
    {"many_sessions_come_and_go", many_sessions_come_and_go},
};

MAIN(tests)
