/* The three functions that each instruction set writes for itself. A tile is the product of one panel of activations,
 * of `rows` <= MR rows, and TILE_NR (int8_tile: DENSE_TILE_NR) columns of weights over the whole of k, with its sums
 * in registers. layout/panels.h draws the panels.
 *
 *   a       the panel of activations
 *   b       the first panel of weights; where a tile takes several, each begins `next` bytes (float_tile: floats) after
 *           the one before
 *   ahead   weights of the columns that follow: a tile may prefetch half as many bytes from here on as it reads at b
 *   c       [rows, TILE_NR], aligned to 64; written, not added to
 *
 * Where an instruction set has no use for an argument, it ignores it. */
#ifndef CLOZE_TILE_H
#define CLOZE_TILE_H

#include <stddef.h>
#include <stdint.h>

#if !defined(FLOATS_ALONE)
/* Dense layers in int8. Exact, with a[r, p] as a panel of byte_rows.h or split_rows.h stands for it, in int32:
 *   c[r, j] = sum_p a[r, p] w[p, j],   b[p, j] = w[p, j] + 128 in 1 ... 255 */
static void int8_tile(size_t rows, size_t k, const char *a, const char *b, size_t next, const char *ahead, int32_t *c);

/* Attention's two products in int8. Exact in int32, over `steps` steps of ATTENTION_KR values: bytes u8 in a, or int16
 * where ATTENTION_KR is 2, by bytes in b: s8 w, or where ATTENTION_COLUMN_BIAS is not 0, u8 w + ATTENTION_COLUMN_BIAS.
 *   c[r, j] = sum_p a[r, p] w[p, j]
 * correction [rows] = -ATTENTION_COLUMN_BIAS sum_p a[r, p]. */
static void attention_tile(size_t rows, size_t steps, const int32_t *correction, const char *a, const char *b,
                           size_t next, int32_t *c);
#endif

#if !defined(INT8_ALONE)
/* Products in float32, one fma chain in the order of p, from 0:
 *   c[r, j] = fma(a[k-1, r], b[k-1, j], ... fma(a[1, r], b[1, j], fma(a[0, r], b[0, j], 0))) */
static void float_tile(size_t rows, size_t k, const float *a, const float *b, size_t next, const float *ahead,
                       float *c);
#endif

#endif
