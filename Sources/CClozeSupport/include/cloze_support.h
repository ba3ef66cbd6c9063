/* cloze_support.h: error text, memory, checksums, processors and threads, which Swift without Foundation lacks. */
#ifndef CLOZE_SUPPORT_H
#define CLOZE_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

/* ---- Error text: one per thread, in a buffer of fixed size, so that reporting an error cannot fail ---- */

/* Stores text, truncated to the buffer at a character boundary of UTF-8. */
void cloze_error_set(const char *text, size_t length);
/* The text last set on this thread, or "". */
const char *cloze_error_text(void);

/* ---- Memory ---- */

/* Uninitialized memory aligned to 64 bytes; NULL where memory is short. Large blocks use huge pages where the system
 * has them, and are returned to the system when freed. */
void *cloze_memory_allocate(size_t size);
/* Frees memory that was allocated with this size. */
void cloze_memory_free(void *memory, size_t size);

/* ---- Checks of a file's content ---- */

/* The CRC-32C of `count` bytes, 0 of none; uses the CPU's instruction where it has one. */
uint32_t cloze_crc32c(const void *bytes, size_t count);
/* The same CRC without that instruction. */
uint32_t cloze_crc32c_portable(const void *bytes, size_t count);
/* The CRC-32C of two concatenated parts, from the CRC of each; the second has `second_count` bytes. */
uint32_t cloze_crc32c_join(uint32_t first, uint32_t second, size_t second_count);
/* Whether all values are finite. They need not be aligned. */
int cloze_floats_finite(const float *values, size_t count);

/* ---- Processors and paths ---- */

/* The number of CPUs that affinity mask, cgroup quota and OMP_NUM_THREADS allow, at least 1. */
int cloze_available_processors(void);
/* The path of the shared library or program that contains this code, as the loader has it; NULL where unknown. */
const char *cloze_image_path(void);

/* ---- Threads ---- */

/* A team of threads, as in OpenMP: all run one function, each with its own number; thread 0 is the caller. Threads
 * sleep between runs. They start at the first parallel run, and again in a child process after fork(). */
typedef struct cloze_team cloze_team;

/* A team without started threads; NULL where memory is short. */
cloze_team *cloze_team_create(int threads);
/* Ends and joins the threads. The team must not be running. */
void cloze_team_free(cloze_team *team);

/* Calls body(context, t) on every thread t of the team, t = 0 being the caller, and returns when all are done; with
 * `parallel` 0 only on the caller. Returns 0, or the errno of a thread that could not be started; then nothing ran. */
int cloze_team_run(cloze_team *team, int parallel, void (*body)(void *context, int thread), void *context);

/* Within a run: waits for all threads of the team and resets the counter to 0. Returns the same value to all: nonzero
 * where the run should end because cloze_team_stop was called. */
int cloze_team_barrier(cloze_team *team);
/* Within a run: the counter, 0, 1, 2, ..., which it increments; for dividing work over threads. */
size_t cloze_team_next(cloze_team *team);

/* Asks the current run to end at its next barrier; may be called from any thread and from a signal handler. Remains in
 * effect until cloze_team_resume. */
void cloze_team_stop(cloze_team *team);
void cloze_team_resume(cloze_team *team);
int cloze_team_stopped(const cloze_team *team);

#endif
