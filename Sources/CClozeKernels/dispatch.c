/* The table of kernel tables, and which of them this CPU runs. */
#define _DEFAULT_SOURCE /* syscall */
#include "cloze_kernels.h"

/* supports_<feature>() for each feature that variants.inc names. */
#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define BUILTIN(feature) \
  static int supports_##feature(void) { return __builtin_cpu_supports(#feature); }
BUILTIN(avx2)
BUILTIN(fma)
BUILTIN(f16c)
BUILTIN(avx512f)
BUILTIN(avx512bw)
BUILTIN(avx512vl)
BUILTIN(avx512dq)
BUILTIN(avx512vnni)
#undef BUILTIN

/* A bit of EAX of CPUID leaf 7, subleaf 1. That the operating system saves registers is part of avx2 and avx512f. */
static int leaf_7_1(int bit) {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && eax >= 1 &&
         __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & 1 << bit);
}
static int supports_avxvnni(void) { return leaf_7_1(4); }
static int supports_avx512bf16(void) { return leaf_7_1(5); }

/* CPUID leaf 7, EDX bits 24 (AMX-TILE) and 25 (AMX-INT8). Linux lets a process use the tiles' 8 KB of state once it has
 * asked for it, for all its threads; where it may not, or a signal stack of it is too small for that state, the answer
 * is an error. Other systems than Linux are not known to give it. */
static int supports_amxint8(void) {
#if defined(__linux__)
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx >> 24 & 3) == 3 &&
         syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
  return 0;
#endif
}

extern const cloze_bfloat16_kernels cloze_bfloat16_kernels__avx512bf16;
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

static int supports_dotprod(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
static int supports_i8mm(void) { return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
#endif

/* A table of operators on floats. */
#define TABLE(kernels, isa) cloze_##kernels##__##isa
#define TABLE_OF(kernels, isa) TABLE(kernels, isa)
#define FLOATS(kernels, isa) TABLE_OF(kernels, FLOATS_##isa)

#define AND_SUPPORTS(feature, name) && supports_##feature()
#define OR_WITH(isa) \
  if (1 FEATURES_##isa(AND_SUPPORTS)) return &TABLE(bfloat16_kernels, isa);
#define BFLOAT16(isa) BFLOAT16_##isa(OR_WITH)
#define BFLOAT16_OF(isa) BFLOAT16(isa)
#define VARIANT(isa)                                                           \
  extern const cloze_matrix_kernels cloze_int8_kernels__##isa;                 \
  extern const cloze_matrix_kernels FLOATS(float32_kernels, isa);              \
  extern const cloze_row_kernels FLOATS(row_kernels, isa);                     \
  extern const cloze_training_kernels FLOATS(training_kernels, isa);           \
  extern const cloze_bfloat16_kernels FLOATS(bfloat16_kernels, isa);           \
  static int supported__##isa(void) { return 1 FEATURES_##isa(AND_SUPPORTS); } \
  static const cloze_bfloat16_kernels *bfloat16__##isa(void) {                 \
    BFLOAT16_OF(FLOATS_##isa)                                                  \
    return &FLOATS(bfloat16_kernels, isa);                                     \
  }                                                                            \
  static const cloze_kernels kernels__##isa = {                                \
      #isa, supported__##isa, &cloze_int8_kernels__##isa,                      \
      &FLOATS(float32_kernels, isa), &FLOATS(row_kernels, isa), &FLOATS(training_kernels, isa), bfloat16__##isa};
#include "variants.inc"
#undef VARIANT

const cloze_kernels *const *cloze_kernels_all(size_t *count) {
#define VARIANT(isa) &kernels__##isa,
  static const cloze_kernels *const all[] = {
#include "variants.inc"
  };
#undef VARIANT
  *count = sizeof all / sizeof *all;
  return all;
}
