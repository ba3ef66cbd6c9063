/* The calling thread's floating-point control: MXCSR on x86-64, FPCR on aarch64. */
#include "cloze_kernels.h"

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
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory"); /* the same state */
  return saved;
}
void cloze_float_environment_restore(uint64_t saved) { __asm__ volatile("msr fpcr, %0" : : "r"(saved) : "memory"); }
#else
uint64_t cloze_float_environment_enter(void) { return 0; }
void cloze_float_environment_restore(uint64_t saved) { (void)saved; }
#endif
