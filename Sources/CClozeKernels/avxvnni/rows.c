#if defined(__x86_64__)
#include "cloze_kernels.h"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#define NAME(operator) cloze_##operator##__avxvnni
#include "../lanes/rows.inc"
#pragma clang attribute pop
#endif
