/* Compiles avx512amx/kernels.c against a model of the tile instructions in plain C, and SIMDe for the rest, so that it
 * runs on any x86-64. The model ends the program where a CPU would raise an exception: for a tile that is not
 * configured, or sizes that do not fit each other.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and volume 2, LDTILECFG,
 * TDPBUSD, TDPBSUD, TILELOADD, TILESTORED, TILERELEASE. */
#include "kernels_test_support.h"

#if defined(__x86_64__) && __has_include(<simde/x86/avx512.h>)

#include "simde_avx512.h"
#include <stdlib.h>
#include <string.h>

static _Thread_local struct {
  size_t rows, row_bytes;
  unsigned char bytes[16][64];
} tiles[8];
static _Thread_local int configured;

#define REQUIRE(condition) \
  if (!(condition)) abort()

static void load_configuration(const void *from) {
  const unsigned char *bytes = from;
  REQUIRE(bytes[0] == 1);
  for (size_t i = 1; i < 16; i++) REQUIRE(bytes[i] == 0);
  for (size_t i = 0; i < 8; i++) {
    memset(&tiles[i], 0, sizeof tiles[i]);
    tiles[i].rows = bytes[48 + i];
    tiles[i].row_bytes = bytes[16 + 2 * i] | bytes[17 + 2 * i] << 8;
    REQUIRE(tiles[i].rows <= 16 && tiles[i].row_bytes <= 64 && !tiles[i].rows == !tiles[i].row_bytes);
  }
  configured = 1;
}

static void release(void) { configured = 0; }

static void load_tile(int tile, const void *from, size_t stride) {
  REQUIRE(configured && tiles[tile].rows);
  memset(tiles[tile].bytes, 0, sizeof tiles[tile].bytes);
  for (size_t r = 0; r < tiles[tile].rows; r++)
    memcpy(tiles[tile].bytes[r], (const char *)from + r * stride, tiles[tile].row_bytes);
}

static void store_tile(int tile, void *to, size_t stride) {
  REQUIRE(configured && tiles[tile].rows);
  for (size_t r = 0; r < tiles[tile].rows; r++)
    memcpy((char *)to + r * stride, tiles[tile].bytes[r], tiles[tile].row_bytes);
}

static void zero_tile(int tile) {
  REQUIRE(configured && tiles[tile].rows);
  memset(tiles[tile].bytes, 0, sizeof tiles[tile].bytes);
}

/* sums += a b, with bytes of a or of b signed. */
static void multiply_tiles(int sums, int a, int b, int signed_a) {
  REQUIRE(configured && tiles[sums].rows && tiles[a].rows && tiles[b].rows && sums != a && sums != b && a != b);
  REQUIRE(tiles[sums].rows == tiles[a].rows && tiles[sums].row_bytes == tiles[b].row_bytes);
  REQUIRE(tiles[a].row_bytes == 4 * tiles[b].rows);
  for (size_t i = 0; i < tiles[sums].rows; i++)
    for (size_t j = 0; j < tiles[sums].row_bytes / 4; j++) {
      uint32_t sum;
      memcpy(&sum, tiles[sums].bytes[i] + 4 * j, 4);
      for (size_t p = 0; p < tiles[a].row_bytes; p++) {
        unsigned char x = tiles[a].bytes[i][p], y = tiles[b].bytes[p / 4][4 * j + p % 4];
        sum += (uint32_t)(signed_a ? (int8_t)x * y : x * (int8_t)y);
      }
      memcpy(tiles[sums].bytes[i] + 4 * j, &sum, 4);
    }
}

#define _tile_loadconfig load_configuration
#define _tile_release release
#define _tile_loadd load_tile
#define _tile_stored store_tile
#define _tile_zero zero_tile
#define _tile_dpbsud(sums, a, b) multiply_tiles(sums, a, b, 1)
#define _tile_dpbusd(sums, a, b) multiply_tiles(sums, a, b, 0)

#define cloze_int8_kernels__avx512amx modelled_int8_kernels
#include "../../../Sources/CClozeKernels/avx512amx/kernels.c"

int avx512amx_left_tiles_configured(void) { return configured; }

static int always(void) { return 1; }

extern const cloze_matrix_kernels cloze_float32_kernels__scalar;
extern const cloze_row_kernels cloze_row_kernels__scalar;
extern const cloze_training_kernels cloze_training_kernels__scalar;
extern const cloze_bfloat16_kernels cloze_bfloat16_kernels__scalar;

static const cloze_bfloat16_kernels *bfloat16(void) { return &cloze_bfloat16_kernels__scalar; }

const cloze_kernels *emulated_avx512amx(void) {
  static const cloze_kernels emulated = {
      "avx512amx, emulated",      always, &modelled_int8_kernels, &cloze_float32_kernels__scalar,
      &cloze_row_kernels__scalar, &cloze_training_kernels__scalar, bfloat16};
  return &emulated;
}

#else

int avx512amx_left_tiles_configured(void) { return 0; }
const cloze_kernels *emulated_avx512amx(void) { return 0; }

#endif
