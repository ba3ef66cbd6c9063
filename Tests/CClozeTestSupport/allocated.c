#include "cloze_test_support.h"

#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>

size_t cloze_test_allocated(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}
#else
size_t cloze_test_allocated(void) { return 0; }
#endif
