/* AMX: products of up to 16 rows of 64 bytes by 16 columns of 64, one every sixteen cycles at best, which is eight
 * times what two vector units with VNNI do. All else is AVX-512 VNNI's.
 *
 * Eight tile registers: sums of 32 x 32 in four, and in a step of 64 k two of activations and two of weights, each of
 * which is multiplied twice. A panel of weights is, 16 groups at a time, what the CPU takes for the right side; and a
 * panel of activations in runs of 64 what it takes for the left. */
#if defined(__x86_64__)
#include <immintrin.h>

#define ISA avx512amx
#include "../isa.h"

#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define MR 32
#define MEMORY_BOUND_INT8 192
#define TILE_NR 32
#define INT8_ALONE
#define ROW_RUN 64
#define ROW_BIAS 128   /* signed activations by unsigned weights, as weights are stored */
#define CORRECTIONS 16 /* the sums of a tile begin as the headers of its rows */
#include "../layout/byte_rows.h"
#include "../tiles/tile.h"

#define TILE_ROWS 16
#define STEP_GROUPS 16 /* groups of k in a step */
#define COLUMN_STEP (STEP_GROUPS * 64)

/* Tile registers; the intrinsics take them as constants. */
#define SUM_00 0
#define SUM_01 1
#define SUM_10 2
#define SUM_11 3
#define ROWS_0 4
#define ROWS_1 5
#define COLUMNS_0 6
#define COLUMNS_1 7

/* The memory operand of LDTILECFG. */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_configuration;

/* Gives the tiles their sizes for panels of `rows`; a tile that has no rows must not be used. */
static void configure_tiles(size_t rows) {
  tile_configuration to = {.palette = 1};
  size_t first = rows < TILE_ROWS ? rows : TILE_ROWS;
  const size_t tile_rows[8] = {first, first, rows - first, rows - first, first, rows - first, TILE_ROWS, TILE_ROWS};
  for (size_t i = 0; i < 8; i++) {
    to.rows[i] = (uint8_t)tile_rows[i];
    to.row_bytes[i] = tile_rows[i] ? 64 : 0;
  }
  _tile_loadconfig(&to);
}

/* The state goes back to its initial one, so that a switch of threads has nothing to save. */
#define CONFIGURE_TILES(configured, rows) \
  if ((rows) != configured) configure_tiles(configured = (rows));
#define RELEASE_TILES() _tile_release();

#define MULTIPLY(sum, rows, columns)             \
  do {                                           \
    if (dense) _tile_dpbsud(sum, rows, columns); \
    else _tile_dpbusd(sum, rows, columns);       \
  } while (0)

/* One step: the rows' runs at a, the columns' groups at b0 and b1. */
#define STEP(a, b0, b1)                                         \
  do {                                                          \
    _tile_loadd(COLUMNS_0, b0, 64);                             \
    _tile_loadd(ROWS_0, a, ROW_RUN);                            \
    MULTIPLY(SUM_00, ROWS_0, COLUMNS_0);                        \
    _tile_loadd(COLUMNS_1, b1, 64);                             \
    MULTIPLY(SUM_01, ROWS_0, COLUMNS_1);                        \
    if (two) {                                                  \
      _tile_loadd(ROWS_1, (a) + TILE_ROWS * ROW_RUN, ROW_RUN);  \
      MULTIPLY(SUM_10, ROWS_1, COLUMNS_0);                      \
      MULTIPLY(SUM_11, ROWS_1, COLUMNS_1);                      \
    }                                                           \
  } while (0)

/* c = correction + a b over groups of four bytes, of which a `dense` layer has signed ones in a and unsigned ones in b,
 * and attention, without a correction, unsigned ones in a. `two`: whether there are more than TILE_ROWS rows. */
INLINE void tile_product(const int dense, const int two, size_t rows, size_t groups, const row_header *correction,
                         const char *a, const char *b, size_t next, const char *ahead, int32_t *c) {
  if (dense) {
    _tile_loadd(SUM_00, correction, 64);
    _tile_loadd(SUM_01, correction, 64);
    if (two) _tile_loadd(SUM_10, correction + TILE_ROWS, 64);
    if (two) _tile_loadd(SUM_11, correction + TILE_ROWS, 64);
  } else {
    _tile_zero(SUM_00);
    _tile_zero(SUM_01);
    if (two) _tile_zero(SUM_10);
    if (two) _tile_zero(SUM_11);
  }
#pragma clang loop unroll(disable)
  for (; groups >= STEP_GROUPS; groups -= STEP_GROUPS, a += rows * ROW_RUN, b += COLUMN_STEP) {
    if (dense)
      for (size_t line = 0; line < STEP_GROUPS; line++, ahead += 64) prefetch(ahead);
    STEP(a, b, b + next);
  }
  if (groups) {
    /* What lies beyond the last group belongs to others. Where columns are 0, rows may hold anything. */
    __m512i rest[2][STEP_GROUPS];
    for (size_t g = 0; g < STEP_GROUPS; g++)
      for (size_t panel = 0; panel < 2; panel++)
        rest[panel][g] = g < groups ? _mm512_loadu_si512(b + panel * next + g * 64) : _mm512_setzero_si512();
    STEP(a, rest[0], rest[1]);
  }
  const size_t stride = TILE_NR * sizeof *c;
  _tile_stored(SUM_00, c, stride);
  _tile_stored(SUM_01, c + 16, stride);
  if (two) _tile_stored(SUM_10, c + TILE_ROWS * TILE_NR, stride);
  if (two) _tile_stored(SUM_11, c + TILE_ROWS * TILE_NR + 16, stride);
}

static NOINLINE void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead,
                               int32_t *c) {
  const row_header *headers = (const row_header *)a;
  const char *runs = (const char *)(headers + rows);
  if (rows > TILE_ROWS) tile_product(1, 1, rows, (k + 3) / 4, headers, runs, b, next, ahead, c);
  else tile_product(1, 0, rows, (k + 3) / 4, headers, runs, b, next, ahead, c);
}

static NOINLINE void attention_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                                    size_t next, int32_t *c) {
  (void)correction;
  if (rows > TILE_ROWS) tile_product(0, 1, rows, steps, NULL, a, b, next, NULL, c);
  else tile_product(0, 0, rows, steps, NULL, a, b, next, NULL, c);
}

#include "../simd/zero_point_vnni.h"

#define ATTENTION_KR 4
#include "../operators/operators.inc"

#pragma clang attribute pop
#endif
