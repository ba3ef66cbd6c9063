#define _GNU_SOURCE
#include "cloze_support.h"

#include <stdlib.h>
#include <sys/mman.h>

void *cloze_memory_allocate(size_t size) {
  const size_t huge = (size_t)2 << 20;
  void *memory = NULL;
  int large = size >= 2 * huge;
  if (posix_memalign(&memory, large ? huge : 64, size ? size : 1)) return NULL;
#ifdef MADV_HUGEPAGE
  /* A hint: weights and scratch are read end to end, and a 4 KB page would cost a TLB miss every other row. The last,
   * partial page stays small so that resident memory follows the size asked for. */
  if (large) madvise(memory, size / huge * huge, MADV_HUGEPAGE);
#endif
  return memory;
}

void cloze_memory_free(void *memory) { free(memory); }
