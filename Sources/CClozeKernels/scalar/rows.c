#include "cloze_kernels.h"
#define NAME(operator) cloze_##operator##__scalar
#include "../lanes/rows.inc"
