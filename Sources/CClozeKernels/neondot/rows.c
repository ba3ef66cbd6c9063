#if defined(__aarch64__) && defined(__linux__)
#include "cloze_kernels.h"
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#define NAME(operator) cloze_##operator##__neondot
#include "../lanes/rows.inc"
#pragma clang attribute pop
#endif
