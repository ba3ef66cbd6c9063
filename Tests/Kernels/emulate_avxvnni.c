/* Linked to agree.c, runs the machine code of avxvnni on a CPU with AVX2 that lacks AVX-VNNI: the dot products of
 * bytes and of int16 in VEX encoding, which such a CPU refuses, are done by a handler of that signal. Everything else
 * runs as it is.
 *
 * Encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VPDPBUSD, VPDPWSSD and section
 * 2.3. Registers in a signal's frame: volume 1, section 13.4, the standard form of XSAVE. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

/* Where half 0 or 1 of ymm register `index` lies in the frame. */
static char *half(char *frame, int index, int which) { return frame + (which ? 576 : 160) + 16 * index; }

static void read_register(char *frame, int index, unsigned char bytes[32]) {
  memcpy(bytes, half(frame, index, 0), 16);
  memcpy(bytes + 16, half(frame, index, 1), 16);
}

/* The address of a memory operand; moves `at` behind it. Where it is `relative`, it is so to the end of the
 * instruction. */
static uint64_t address(const greg_t *registers, const unsigned char **at, int x, int b, int *relative) {
  /* rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 ... r15 */
  static const int names[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  const unsigned char *p = *at;
  int mod = *p >> 6, low = *p & 7;
  p++;
  uint64_t sum = 0;
  int wide = mod == 2;
  *relative = 0;
  if (low == 4) {
    int index = (*p >> 3 & 7) | x << 3, base = *p & 7, scale = *p >> 6;
    p++;
    if (index != 4) sum += (uint64_t)registers[names[index]] << scale;
    if (base == 5 && mod == 0) wide = 1;
    else sum += (uint64_t)registers[names[base | b << 3]];
  } else if (low == 5 && mod == 0) {
    wide = *relative = 1;
  } else {
    sum += (uint64_t)registers[names[low | b << 3]];
  }
  if (wide) {
    int32_t displacement;
    memcpy(&displacement, p, 4);
    sum += (uint64_t)(int64_t)displacement;
    p += 4;
  } else if (mod == 1) {
    sum += (uint64_t)(int64_t)(int8_t)*p++;
  }
  *at = p;
  return sum;
}

/* Does vpdpbusd or vpdpwssd, of 128 or 256 bits, and moves behind it; 0 where the instruction is another. */
static int emulate(ucontext_t *context) {
  greg_t *registers = context->uc_mcontext.gregs;
  const unsigned char *p = (const unsigned char *)registers[REG_RIP];
  char *frame = (char *)context->uc_mcontext.fpregs;
  /* C4, then R X B inverted and the map 0F38, then W0, vvvv inverted, L and the prefix 66 */
  if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x83) != 1 || (p[3] != 0x50 && p[3] != 0x52)) return 0;
  int r = !(p[1] & 0x80), x = !(p[1] & 0x40), b = !(p[1] & 0x20), wide = p[2] >> 2 & 1, words = p[3] == 0x52;
  int to = (p[4] >> 3 & 7) | r << 3, first = ~(p[2] >> 3) & 15;
  unsigned char first_side[32], bytes[32] = {0}, sums[32];
  int8_t signed_side[32];
  const unsigned char *at = p + 4;
  if (p[4] >> 6 == 3) {
    read_register(frame, (p[4] & 7) | b << 3, bytes);
    at++;
  } else {
    int relative;
    uint64_t from = address(registers, &at, x, b, &relative);
    if (relative) from += (uint64_t)(uintptr_t)at;
    memcpy(bytes, (const void *)(uintptr_t)from, wide ? 32 : 16);
  }
  memcpy(signed_side, bytes, 32);
  read_register(frame, first, first_side);
  read_register(frame, to, sums);
  for (int i = 0; i < 8; i++) {
    uint32_t sum = 0;
    memcpy(&sum, sums + 4 * i, 4);
    if (words) {
      int16_t a[2], second[2];
      memcpy(a, first_side + 4 * i, 4);
      memcpy(second, bytes + 4 * i, 4);
      sum += (uint32_t)(a[0] * second[0]) + (uint32_t)(a[1] * second[1]);
    } else {
      for (int j = 0; j < 4; j++) sum += (uint32_t)(first_side[4 * i + j] * signed_side[4 * i + j]);
    }
    if (i >= 4 && !wide) sum = 0;
    memcpy(half(frame, to, i / 4) + i % 4 * 4, &sum, 4);
  }
  uint64_t present;
  memcpy(&present, frame + 512, 8);
  present |= 7; /* the upper halves are no longer as after reset */
  memcpy(frame + 512, &present, 8);
  registers[REG_RIP] = (greg_t)(uintptr_t)at;
  return 1;
}

static void handle(int signal, siginfo_t *info, void *context) {
  (void)info;
  /* A loop has several of them one after the other, and a signal takes thousands of times as long. */
  int any = 0;
  while (emulate(context)) any = 1;
  if (!any) sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL); /* runs again, and ends the program */
}

int emulated(const char *isa) {
  if (strcmp(isa, "avxvnni") || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("f16c"))
    return 0;
  return sigaction(SIGILL, &(struct sigaction){.sa_sigaction = handle, .sa_flags = SA_SIGINFO}, NULL) == 0;
}
