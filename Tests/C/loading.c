/* The library loaded with dlopen: opened and closed many times, and two copies at once. Not linked with it: nothing
 * here may name a function of cloze.h but through dlsym. CLOZE_LIBRARY is its path, CLOZE_TEST_ROUNDS how often it is
 * opened, 100. */
#include "check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { THREADS = 3 };

struct library {
  void *handle;
  __typeof__(&cloze_model_load) load;
  __typeof__(&cloze_model_free) free_model;
  __typeof__(&cloze_session_create) create;
  __typeof__(&cloze_session_free) free_session;
  __typeof__(&cloze_embed_texts) embed;
};

static const char *library_path(void) {
  const char *path = getenv("CLOZE_LIBRARY");
  CHECK(path != NULL);
  return path;
}

static int rounds(void) {
  const char *text = getenv("CLOZE_TEST_ROUNDS");
  return text != NULL ? atoi(text) : 100;
}

static void *symbol(void *handle, const char *name) {
  void *address = dlsym(handle, name);
  if (address == NULL) printf("%s\n", dlerror());
  CHECK(address != NULL);
  return address;
}

static struct library open_library(const char *path, int visibility) {
  struct library library = {.handle = dlopen(path, RTLD_NOW | visibility)};
  if (library.handle == NULL) printf("%s\n", dlerror());
  CHECK(library.handle != NULL);
  /* As POSIX shows it: ISO C has no conversion from an object's to a function's pointer. */
  *(void **)&library.load = symbol(library.handle, "cloze_model_load");
  *(void **)&library.free_model = symbol(library.handle, "cloze_model_free");
  *(void **)&library.create = symbol(library.handle, "cloze_session_create");
  *(void **)&library.free_session = symbol(library.handle, "cloze_session_free");
  *(void **)&library.embed = symbol(library.handle, "cloze_embed_texts");
  return library;
}

static cloze_model *load(const struct library *library) {
  cloze_model *model = NULL;
  CHECK(library->load(model_path(), NULL, &model) == CLOZE_OK);
  return model;
}

static void embed(const struct library *library, cloze_model *model, float *values) {
  cloze_session_options options = {.struct_size = sizeof options, .threads = 2};
  cloze_session *session = NULL;
  CHECK(library->create(model, &options, &session) == CLOZE_OK);
  const char *list[] = {"The river flows north into the sea.", "台北是台灣的首都。"};
  cloze_texts texts = {.struct_size = sizeof texts, .count = 2, .texts = list};
  CHECK(library->embed(session, &texts, NULL, values, 2 * D, NULL) == CLOZE_OK);
  library->free_session(session);
}

struct work {
  const struct library *library;
  cloze_model *model;
  float values[2 * D];
};

static void *embed_on_a_thread(void *context) {
  struct work *work = context;
  embed(work->library, work->model, work->values);
  return NULL;
}

/* A model and a session on each of several threads, which must agree; the vectors. */
static void use(const struct library *library, float *values) {
  cloze_model *model = load(library);
  struct work works[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    works[i] = (struct work){.library = library, .model = model};
    CHECK(pthread_create(&threads[i], NULL, embed_on_a_thread, &works[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  for (int i = 1; i < THREADS; i++) CHECK(memcmp(works[0].values, works[i].values, sizeof works[0].values) == 0);
  memcpy(values, works[0].values, sizeof works[0].values);
  library->free_model(model);
}

static void opened_and_closed_many_times(void) {
  float first[2 * D], values[2 * D];
  for (int round = 0; round < rounds(); round++) {
    struct library library = open_library(library_path(), round % 2 ? RTLD_GLOBAL : RTLD_LOCAL);
    use(&library, round == 0 ? first : values);
    CHECK(round == 0 || memcmp(first, values, sizeof first) == 0);
    CHECK(dlclose(library.handle) == 0);
  }
}

/* A thread that used the library, and so has what the library keeps for a thread, ends after it was closed. */
static pthread_barrier_t barrier;

static void *end_after_closing(void *context) {
  embed_on_a_thread(context);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return NULL;
}

static void a_thread_ends_after_closing(void) {
  CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
  for (int round = 0; round < 3; round++) {
    struct library library = open_library(library_path(), RTLD_LOCAL);
    struct work work = {.library = &library, .model = load(&library)};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, end_after_closing, &work) == 0);
    pthread_barrier_wait(&barrier);
    library.free_model(work.model);
    CHECK(dlclose(library.handle) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(thread, NULL) == 0);
  }
}

/* A copy of the file below another name, as two packages in one process bring it. */
static void copy_library(const char *path) {
  FILE *from = fopen(library_path(), "rb"), *to = fopen(path, "wb");
  CHECK(from != NULL && to != NULL);
  static char buffer[1 << 16];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, from)) > 0;) {
    CHECK(fwrite(buffer, 1, count, to) == count);
  }
  CHECK(fclose(from) == 0 && fclose(to) == 0);
}

static void two_copies(int visibility) {
  char path[] = "/tmp/libcloze-copy-XXXXXX";
  int file = mkstemp(path);
  CHECK(file >= 0 && close(file) == 0);
  copy_library(path);
  float a[2 * D], b[2 * D];
  for (int round = 0; round < 3; round++) {
    struct library one = open_library(library_path(), visibility), other = open_library(path, visibility);
    CHECK(one.load != other.load);
    cloze_model *first = load(&one), *second = load(&other);
    embed(&one, first, a);
    embed(&other, second, b);
    CHECK(memcmp(a, b, sizeof a) == 0);
    one.free_model(first);
    CHECK(dlclose(one.handle) == 0);
    embed(&other, second, b);
    CHECK(memcmp(a, b, sizeof a) == 0);
    other.free_model(second);
    CHECK(dlclose(other.handle) == 0);
  }
  unlink(path);
}

static void two_local_copies(void) { two_copies(RTLD_LOCAL); }

static void two_global_copies(void) { two_copies(RTLD_GLOBAL); }

static const struct test tests[] = {
    {"opened_and_closed_many_times", opened_and_closed_many_times},
    {"a_thread_ends_after_closing", a_thread_ends_after_closing},
    {"two_local_copies", two_local_copies},
    {"two_global_copies", two_global_copies},
};

MAIN(tests)
