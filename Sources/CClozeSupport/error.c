#include "cloze_support.h"

#include <string.h>

static _Thread_local char text_of_thread[1024];

void cloze_error_set(const char *text, size_t length) {
  size_t max = sizeof text_of_thread - 1;
  if (length > max) {
    length = max;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
  }
  memcpy(text_of_thread, text, length);
  text_of_thread[length] = 0;
}

const char *cloze_error_text(void) { return text_of_thread; }
