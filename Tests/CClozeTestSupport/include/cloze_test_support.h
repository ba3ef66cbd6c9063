/* cloze_test_support.h: what tests need from the C library and Swift does not import. */
#ifndef CLOZE_TEST_SUPPORT_H
#define CLOZE_TEST_SUPPORT_H

#include <stddef.h>

/* Bytes that malloc has handed out and not got back, in its heap and in mappings of their own; 0 where the C library
 * does not tell. */
size_t cloze_test_allocated(void);

#endif
