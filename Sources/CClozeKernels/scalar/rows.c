#include "cloze_kernels.h"
#define NAME(operator) cloze_##operator##__scalar
#define SCALAR
#include "../lanes/rows.inc"
