#if defined(__x86_64__)
#include "cloze_kernels.h"
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)
#define NAME(operator) cloze_##operator##__avx512vnni
#include "../lanes/rows.inc"
#pragma clang attribute pop
#endif
