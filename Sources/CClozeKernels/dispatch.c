/* The table of kernel tables, and what the CPU runs. */
#include "cloze_kernels.h"

static int cloze_supported__scalar(void) { return 1; }

#if defined(__x86_64__)
#include <cpuid.h>

static int cloze_supported__avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static int cloze_supported__avx512vnni(void) {
  return cloze_supported__avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

static int cloze_supported__avxvnni(void) {
  unsigned eax, ebx, ecx, edx;
  return cloze_supported__avx2() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && eax >= 1 &&
         __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & 1 << 4);
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

static int cloze_supported__neondot(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

static int cloze_supported__neoni8mm(void) {
  return cloze_supported__neondot() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
}
#endif

#define VARIANT(isa)                                              \
  extern const cloze_matrix_kernels cloze_int8_kernels__##isa;    \
  extern const cloze_matrix_kernels cloze_float32_kernels__##isa; \
  extern const cloze_row_kernels cloze_row_kernels__##isa;        \
  static const cloze_kernels kernels__##isa = {                   \
      #isa, cloze_supported__##isa, &cloze_int8_kernels__##isa, &cloze_float32_kernels__##isa, &cloze_row_kernels__##isa};
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

#if defined(__x86_64__)
uint64_t cloze_float_environment_enter(void) {
  uint32_t saved = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(0x1f80); /* the state after reset: nearest even, no flushing, all exceptions masked */
  return saved;
}
void cloze_float_environment_restore(uint64_t saved) { __builtin_ia32_ldmxcsr((uint32_t)saved); }
#elif defined(__aarch64__)
uint64_t cloze_float_environment_enter(void) {
  uint64_t saved;
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
  return saved;
}
void cloze_float_environment_restore(uint64_t saved) { __asm__ volatile("msr fpcr, %0" : : "r"(saved) : "memory"); }
#else
uint64_t cloze_float_environment_enter(void) { return 0; }
void cloze_float_environment_restore(uint64_t saved) { (void)saved; }
#endif
