/* cloze_support.h: what the runtime needs from the operating system and Swift does not give. */
#ifndef CLOZE_SUPPORT_H
#define CLOZE_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

/* ---- Error text: one per thread, in a buffer of fixed size, so that reporting an error cannot fail ---- */

/* Keeps the first bytes of text that fit, cut between characters of UTF-8. */
void cloze_error_set(const char *text, size_t length);
/* What was set last on this thread, or "". */
const char *cloze_error_text(void);

/* ---- Memory ---- */

/* Uninitialized memory aligned to 64 bytes; NULL where there is none. Large blocks ask for huge pages, and go back to the
 * system when they are freed. */
void *cloze_memory_allocate(size_t size);
/* `memory` is what was allocated with this size. */
void cloze_memory_free(void *memory, size_t size);

/* ---- Checks of what a file holds ---- */

/* The CRC-32C of bytes, by the CPU's instruction where it has one. Of no bytes it is 0. */
uint32_t cloze_crc32c(const void *bytes, size_t count);
/* The same without that instruction. */
uint32_t cloze_crc32c_portable(const void *bytes, size_t count);
/* The CRC-32C of two parts one after the other, from each part's own; the second has `second_count` bytes. */
uint32_t cloze_crc32c_join(uint32_t first, uint32_t second, size_t second_count);
/* Whether none of them is infinite or NaN; they may lie at any address. */
int cloze_floats_finite(const float *values, size_t count);

/* ---- Processors and places ---- */

/* The CPUs that affinity mask and cgroup quota allow, at least 1. */
int cloze_available_processors(void);
/* Path of the shared library or program that holds this code, as the loader knows it; NULL where unknown. */
const char *cloze_image_path(void);

/* ---- Threads ---- */

/* A team of threads, as in OpenMP, that runs one function at a time, each with its own number: thread 0 is the caller. Between runs the
 * threads sleep. They start at the first run that wants them, and anew in a child process after fork(). */
typedef struct cloze_team cloze_team;

/* NULL when memory is short. No thread is started yet. */
cloze_team *cloze_team_create(int threads);
/* Ends the threads and waits for them. The team must not be running. */
void cloze_team_free(cloze_team *team);

/* Calls body(context, t) for every thread t of the team, t = 0 on the calling thread, and returns when all are done; with
 * `parallel` 0 only for t = 0. Threads that cannot be started are an error: returns its errno, and nothing has run. */
int cloze_team_run(cloze_team *team, int parallel, void (*body)(void *context, int thread), void *context);

/* Within a run: waits until every thread has come here, and sets the counter back to 0. All threads get the same answer:
 * nonzero when the run should end because cloze_team_stop was called. */
int cloze_team_barrier(cloze_team *team);
/* Within a run: 0, 1, 2, ... for whoever asks, counted since the last barrier. */
size_t cloze_team_next(cloze_team *team);

/* Asks the current run to end at its next barrier; callable from any thread and from a signal handler. Stays in force
 * until cloze_team_resume. */
void cloze_team_stop(cloze_team *team);
void cloze_team_resume(cloze_team *team);
int cloze_team_stopped(const cloze_team *team);

#endif
