/* The instruction set that the including file defines as ISA, a line of variants.inc:
 *   NAME(operator)   the operator's name in this instruction set: cloze_<operator>__<isa>
 *   TARGET           the argument of the target attribute that all its functions get, by
 *     #pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)
 *   which comes after the headers of intrinsics and before everything else. */
#ifndef CLOZE_ISA_H
#define CLOZE_ISA_H

#include "cloze_kernels.h"

#define VARIANT(isa)
#include "variants.inc"
#undef VARIANT

#define CLOZE_NAME(operator, isa) cloze_##operator##__##isa
#define CLOZE_NAME_OF(operator, isa) CLOZE_NAME(operator, isa)
#define NAME(operator) CLOZE_NAME_OF(operator, ISA)

#if defined(__x86_64__)
#define BASELINE "sse2"
#elif defined(__aarch64__)
#define BASELINE "neon"
#endif
#define AND_FEATURE(feature, name) "," name
#define TARGET_OF(isa) BASELINE FEATURES_##isa(AND_FEATURE)
#define TARGET_OF_EXPANDED(isa) TARGET_OF(isa)
#define TARGET TARGET_OF_EXPANDED(ISA)

#endif
