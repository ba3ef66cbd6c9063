#define _GNU_SOURCE
#include "cloze_support.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Polls of a waiting thread before it sleeps: about 50 microseconds, several times what threads wait for each other
 * between the steps of a layer, and as long as waking one takes. Threads poll after a run too: a run that follows at
 * once finds them awake. */
#define SPINS 2000

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

typedef struct worker {
  cloze_team *team;
  pthread_t handle;
  int number;
} worker;

struct cloze_team {
  int size;    /* threads, the caller's included */
  int started; /* workers that exist */
  pid_t process;
  worker *workers;

  /* The run in progress. Written before `generation` changes, read after. */
  void (*body)(void *, int);
  void *context;
  int active;
  int ending;

  _Alignas(64) _Atomic uint32_t generation; /* workers sleep on it between runs */
  _Alignas(64) _Atomic uint32_t unfinished; /* workers still in the run; the caller sleeps on it */
  _Alignas(64) _Atomic uint32_t arrived;    /* threads at the barrier */
  _Alignas(64) _Atomic uint32_t phase;      /* barriers passed; threads wait on it */
  _Alignas(64) _Atomic uint32_t sleepers;   /* threads that may be in futex_wait */
  _Alignas(64) _Atomic size_t counter;
  _Alignas(64) _Atomic int stop;
  int stopping; /* what the barrier's last thread decided, for all */
};

/* Waits until *word is no longer `seen`: looks `spins` times, then sleeps. */
static void wait_change(cloze_team *team, _Atomic uint32_t *word, uint32_t seen, int spins) {
  for (int i = 0; i < spins; i++) {
    if (atomic_load_explicit(word, memory_order_acquire) != seen) return;
    PAUSE();
  }
  atomic_fetch_add(&team->sleepers, 1);
  while (atomic_load(word) == seen) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
  atomic_fetch_sub(&team->sleepers, 1);
}

/* Wakes the threads that sleep on *word, which has just changed. That change and the load of `sleepers` are
 * sequentially consistent, as are a sleeper's steps: either it is counted here, or it sees the change. */
static void wake(cloze_team *team, _Atomic uint32_t *word) {
  if (atomic_load(&team->sleepers)) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void *work(void *argument) {
  worker *self = argument;
  cloze_team *team = self->team;
  uint32_t seen = 0; /* as generation was when the threads were made */
  for (;;) {
    wait_change(team, &team->generation, seen, SPINS);
    seen = atomic_load(&team->generation);
    if (team->ending) return NULL;
    team->body(team->context, self->number);
    if (atomic_fetch_sub(&team->unfinished, 1) == 1) wake(team, &team->unfinished);
  }
}

cloze_team *cloze_team_create(int threads) {
  cloze_team *team = NULL;
  if (threads < 1 || posix_memalign((void **)&team, 64, sizeof *team)) return NULL;
  memset(team, 0, sizeof *team);
  team->size = threads;
  team->workers = calloc((size_t)threads, sizeof(worker));
  if (!team->workers) {
    free(team);
    return NULL;
  }
  team->process = getpid();
  return team;
}

/* Ends and joins the workers. */
static void dismiss(cloze_team *team) {
  team->ending = 1;
  atomic_fetch_add(&team->generation, 1);
  wake(team, &team->generation);
  for (int i = 0; i < team->started; i++) pthread_join(team->workers[i].handle, NULL);
  team->started = 0;
  team->ending = 0;
  atomic_store(&team->generation, 0);
}

/* Starts the workers unless they exist in this process. All take part in every parallel run: one that was late for a
 * run could otherwise enter the next. */
static int start(cloze_team *team) {
  if (team->process != getpid()) { /* after fork() only the caller's thread exists here */
    team->process = getpid();
    team->started = 0;
    team->ending = 0;
    atomic_store(&team->generation, 0);
    atomic_store(&team->arrived, 0);
    atomic_store(&team->sleepers, 0);
  }
  if (team->started) return 0;

  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error) return error;
  pthread_attr_setstacksize(&attributes, (size_t)1 << 20);
  sigset_t all, before; /* the host's threads handle signals */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = 0; i + 1 < team->size; i++) {
    team->workers[i] = (worker){team, 0, i + 1};
    error = pthread_create(&team->workers[i].handle, &attributes, work, &team->workers[i]);
    if (error) break;
    team->started = i + 1;
#if defined(__linux__)
    pthread_setname_np(team->workers[i].handle, "cloze");
#endif
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (error) dismiss(team);
  return error;
}

void cloze_team_free(cloze_team *team) {
  if (!team) return;
  if (team->process == getpid() && team->started) dismiss(team);
  free(team->workers);
  free(team);
}

int cloze_team_run(cloze_team *team, int parallel, void (*body)(void *context, int thread), void *context) {
  int threads = parallel ? team->size : 1;
  int error = threads > 1 ? start(team) : 0;
  if (error) return error;
  team->body = body;
  team->context = context;
  team->active = threads;
  team->stopping = 0;
  atomic_store_explicit(&team->counter, 0, memory_order_relaxed);
  if (threads > 1) {
    atomic_store_explicit(&team->unfinished, (uint32_t)(threads - 1), memory_order_relaxed);
    atomic_fetch_add(&team->generation, 1);
    wake(team, &team->generation);
  }
  body(context, 0);
  for (uint32_t left; threads > 1 && (left = atomic_load(&team->unfinished)) != 0;)
    wait_change(team, &team->unfinished, left, SPINS);
  return 0;
}

int cloze_team_barrier(cloze_team *team) {
  uint32_t phase = atomic_load_explicit(&team->phase, memory_order_acquire);
  if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == (uint32_t)team->active) {
    team->stopping = atomic_load_explicit(&team->stop, memory_order_relaxed);
    atomic_store_explicit(&team->counter, 0, memory_order_relaxed);
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_fetch_add(&team->phase, 1);
    wake(team, &team->phase);
  } else {
    wait_change(team, &team->phase, phase, SPINS);
  }
  return team->stopping;
}

size_t cloze_team_next(cloze_team *team) { return atomic_fetch_add_explicit(&team->counter, 1, memory_order_relaxed); }

void cloze_team_stop(cloze_team *team) { atomic_store(&team->stop, 1); }
void cloze_team_resume(cloze_team *team) { atomic_store(&team->stop, 0); }
int cloze_team_stopped(const cloze_team *team) {
  return atomic_load_explicit(&((cloze_team *)team)->stop, memory_order_relaxed);
}
