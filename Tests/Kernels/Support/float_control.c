#include "kernels_test_support.h"

#if defined(__x86_64__)
uint64_t float_control(void) { return __builtin_ia32_stmxcsr(); }
void set_float_control(uint64_t control) { __builtin_ia32_ldmxcsr((uint32_t)control); }
/* Round up 2 << 13, flush to zero 1 << 15, denormals are zeros 1 << 6; exceptions stay masked. */
uint64_t float_control_round_up_and_flush(void) { return 0x1f80 | 2 << 13 | 1 << 15 | 1 << 6; }
#elif defined(__aarch64__)
uint64_t float_control(void) {
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  return control;
}
void set_float_control(uint64_t control) { __asm__ volatile("msr fpcr, %0" : : "r"(control) : "memory"); }
uint64_t float_control_round_up_and_flush(void) { return 1 << 22 | 1 << 24; }
#else
uint64_t float_control(void) { return 0; }
void set_float_control(uint64_t control) { (void)control; }
uint64_t float_control_round_up_and_flush(void) { return 0; }
#endif
