/* CRC-32C: the polynomial 0x1EDC6F41 with bits reflected, register and result inverted (RFC 3720, appendix B.4).
 *
 * A remainder is a polynomial of degree below 32 over GF(2), its bit 31 the coefficient of x^0. Appending n bytes
 * multiplies it by x^(8n), so that remainders of consecutive parts can be joined. Three parts are summed at once: the
 * instruction has a latency of three cycles and a throughput of one per cycle. */
#include "cloze_support.h"

#include <string.h>

#if defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

#define POLYNOMIAL 0x82F63B78u /* 0x1EDC6F41, reflected */

/* a b modulo the polynomial. */
static uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (int i = 0; i < 32; i++) {
    product ^= b & (0u - (a >> 31));
    a <<= 1;
    b = b >> 1 ^ (POLYNOMIAL & (0u - (b & 1)));
  }
  return product;
}

/* x^(8 count) */
static uint32_t power(size_t count) {
  uint32_t result = (uint32_t)1 << 31, square = (uint32_t)1 << 23; /* x^0, x^8 */
  for (; count; count >>= 1) {
    if (count & 1) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

uint32_t cloze_crc32c_join(uint32_t first, uint32_t second, size_t second_count) {
  return multiply(first, power(second_count)) ^ second;
}

/* Four bits at a time; table[i] is the remainder of the low four bits i of the register. */
static uint32_t plain(uint32_t state, const unsigned char *bytes, size_t count) {
  uint32_t table[16];
  for (uint32_t i = 0; i < 16; i++) {
    uint32_t r = i;
    for (int bit = 0; bit < 4; bit++) r = r >> 1 ^ (POLYNOMIAL & (0u - (r & 1)));
    table[i] = r;
  }
  for (size_t i = 0; i < count; i++) {
    state ^= bytes[i];
    state = state >> 4 ^ table[state & 15];
    state = state >> 4 ^ table[state & 15];
  }
  return state;
}

uint32_t cloze_crc32c_portable(const void *bytes, size_t count) { return ~plain(~0u, bytes, count); }

#if defined(__x86_64__) || defined(__aarch64__)
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("sse4.2"))), apply_to = function)
#define EIGHT(state, word) ((uint32_t)__builtin_ia32_crc32di(state, word))
#define ONE(state, byte) __builtin_ia32_crc32qi(state, byte)
static int has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }
#else
#pragma clang attribute push(__attribute__((target("crc"))), apply_to = function)
#define EIGHT(state, word) __crc32cd(state, word)
#define ONE(state, byte) __crc32cb(state, byte)
static int has_instruction(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

static inline uint64_t word_at(const unsigned char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, 8);
  return word;
}

#define PART ((size_t)16384) /* joining three parts costs a twentieth of summing them */

static uint32_t by_instruction(uint32_t state, const unsigned char *bytes, size_t count) {
  if (count >= 3 * PART) {
    uint32_t one = power(PART), two = multiply(one, one);
    for (; count >= 3 * PART; bytes += 3 * PART, count -= 3 * PART) {
      uint32_t second = 0, third = 0;
      for (size_t i = 0; i < PART; i += 8) {
        state = EIGHT(state, word_at(bytes + i));
        second = EIGHT(second, word_at(bytes + PART + i));
        third = EIGHT(third, word_at(bytes + 2 * PART + i));
      }
      state = multiply(state, two) ^ multiply(second, one) ^ third;
    }
  }
  for (; count >= 8; bytes += 8, count -= 8) state = EIGHT(state, word_at(bytes));
  for (; count; bytes++, count--) state = ONE(state, *bytes);
  return state;
}
#pragma clang attribute pop

uint32_t cloze_crc32c(const void *bytes, size_t count) {
  return has_instruction() ? ~by_instruction(~0u, bytes, count) : cloze_crc32c_portable(bytes, count);
}
#else
uint32_t cloze_crc32c(const void *bytes, size_t count) { return cloze_crc32c_portable(bytes, count); }
#endif

int cloze_floats_finite(const float *values, size_t count) {
  const char *at = (const char *)values; /* aligned or not */
  while (count) {
    size_t block = count < 4096 ? count : 4096;
    uint32_t found = 0;
    for (size_t i = 0; i < block; i++) {
      uint32_t bits;
      memcpy(&bits, at + i * 4, 4);
      found |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    if (found) return 0;
    at += block * 4;
    count -= block;
  }
  return 1;
}
