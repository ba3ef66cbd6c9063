/* As tokenizer.c, from a sentencepiece model. */
#include "tokenizer.c"
