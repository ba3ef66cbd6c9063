#define _GNU_SOURCE
#include "cloze_support.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Blocks of at least this size are mapped instead of allocated by malloc, whose arenas would keep the memory of freed
 * models and sessions. Under AddressSanitizer all blocks are malloc's, which it checks. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAPPED_FROM SIZE_MAX
#endif
#endif
#ifndef MAPPED_FROM
#define MAPPED_FROM ((size_t)1 << 20)
#endif

#define PAGE ((size_t)65536) /* a multiple of the page size of every system */
#define HUGE_PAGE ((size_t)2 << 20)

static size_t mapped_length(size_t size) { return (size + PAGE - 1) / PAGE * PAGE; }

/* Weights and scratch are read sequentially, and with small pages every other row would cost a TLB miss. A block of at
 * least a huge page begins at a huge-page boundary and asks for huge pages, except for its remainder, so that resident
 * memory follows the size. */
static void *map(size_t size) {
  size_t length = mapped_length(size), slack = length >= HUGE_PAGE ? HUGE_PAGE : 0;
  if (length < size || length > SIZE_MAX - slack) return NULL;
  char *base = mmap(NULL, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return NULL;
  if (!slack) return base;
  size_t before = (HUGE_PAGE - (uintptr_t)base % HUGE_PAGE) % HUGE_PAGE;
  if (before) munmap(base, before);
  if (slack > before) munmap(base + before + length, slack - before);
  base += before;
#ifdef MADV_HUGEPAGE
  madvise(base, length / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return base;
}

void *cloze_memory_allocate(size_t size) {
  if (size >= MAPPED_FROM) return map(size);
  void *memory = NULL;
  return posix_memalign(&memory, 64, size ? size : 1) ? NULL : memory;
}

void cloze_memory_free(void *memory, size_t size) {
  if (size >= MAPPED_FROM)
    munmap(memory, mapped_length(size));
  else
    free(memory);
}
