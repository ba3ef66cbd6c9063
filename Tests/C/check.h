/* A program of tests: `program --list` names them, `program NAME` runs one in a process of its own,
 * so that a crash fails that one only. Exit status 0: passed, 1: failed, 77: skipped, with the
 * reason on standard output. */
#ifndef CHECK_H
#define CHECK_H

#include <cloze.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
  const char *name;
  void (*run)(void);
};

#define CHECK(condition)                                     \
  do {                                                       \
    if (!(condition)) {                                      \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                               \
    }                                                        \
  } while (0)

/* The call's status is `expected`, and an error comes with a sentence. */
#define CHECK_STATUS(call, expected)                                                                    \
  do {                                                                                                  \
    cloze_status status_ = (call);                                                                      \
    if (status_ != (expected)) {                                                                        \
      printf("%s:%d: %s gave %s (%s), not %s\n", __FILE__, __LINE__, #call, cloze_status_name(status_), \
          cloze_last_error(), cloze_status_name(expected));                                             \
      exit(1);                                                                                          \
    }                                                                                                   \
    if (status_ != CLOZE_OK && cloze_last_error()[0] == '\0') {                                         \
      printf("%s:%d: %s left no message\n", __FILE__, __LINE__, #call);                                 \
      exit(1);                                                                                          \
    }                                                                                                   \
  } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, CLOZE_OK)

/* The message of the last failed call names this. */
#define CHECK_MESSAGE(part)                                                                     \
  do {                                                                                          \
    if (strstr(cloze_last_error(), part) == NULL) {                                             \
      printf("%s:%d: \"%s\" is not in \"%s\"\n", __FILE__, __LINE__, part, cloze_last_error()); \
      exit(1);                                                                                  \
    }                                                                                           \
  } while (0)

#define SKIP(reason)          \
  do {                        \
    printf("%s\n", (reason)); \
    exit(77);                 \
  } while (0)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The built-in model's sizes. */
enum { D = 256, L = 4, V = 16000, POSITIONS = 256, MASK = 4 };

static inline void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  CHECK(memory != NULL);
  return memory;
}

/* The folder of the built-in model, which the tests also open by name. */
static inline const char *model_path(void) {
  const char *path = getenv("CLOZE_TEST_MODEL");
  CHECK(path != NULL);
  return path;
}

static inline cloze_model *load_model(cloze_precision precision) {
  cloze_load_options options = {.struct_size = sizeof options, .precision = precision};
  cloze_model *model = NULL;
  CHECK_OK(cloze_model_load(NULL, &options, &model));
  CHECK(model != NULL);
  return model;
}

/* A session of the built-in model in int8 that keeps its model alive by itself. */
static inline cloze_session *open_session(int32_t threads) {
  cloze_session_options options = {.struct_size = sizeof options, .threads = threads};
  cloze_model *model = load_model(CLOZE_PRECISION_INT8);
  cloze_session *session = NULL;
  CHECK_OK(cloze_session_create(model, &options, &session));
  CHECK(session != NULL);
  cloze_model_free(model);
  return session;
}

static inline int run_tests(const struct test *tests, size_t count, int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s --list | NAME\n", argv[0]);
    return 64;
  }
  for (size_t i = 0; i < count; i++) {
    if (strcmp(argv[1], "--list") == 0) {
      puts(tests[i].name);
    } else if (strcmp(argv[1], tests[i].name) == 0) {
      tests[i].run();
      return 0;
    }
  }
  return strcmp(argv[1], "--list") == 0 ? 0 : 64;
}

#define MAIN(tests) \
  int main(int argc, char **argv) { return run_tests(tests, COUNT(tests), argc, argv); }

#endif
