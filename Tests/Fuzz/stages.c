/* As tokenizer.c, from files with the stages of other tokenizers than BERT's: Unigram and BPE. */
#include "tokenizer.c"
