/* Activations for `vpmaddubsw`, split so that it cannot saturate.
 *
 * The instruction multiplies u8 by s8 and adds neighbouring products in int16, saturating: twice as much work as a
 * product of int16, but 255 x 127 x 2 does not fit. Here the unsigned side are the weights, w + 128 in 1 ... 255, and the
 * signed side centred activations c = q - zero. A pair (c0, c1) is safe if |c0| + |c1| <= 127, as 127 x 255 < 2^15. That
 * is nearly every pair of a real row, whose range a few values stretch. In any other pair the larger is cut to
 * what the smaller leaves of 127, or both to 63 where even the smaller is larger than that; what is cut off,
 * r = c - cut, goes to a list that the tile adds one by one. All sums are modulo 2^32 and their total
 * fits int32, so that the result is exact:
 *
 *   sum c w = sum cut (w + 128) + sum r (w + 128) - 128 sum c
 *
 * A panel: for each row { -128 sum c, length of its list }, then the groups of four cut values, then a list for each row
 * with room for k (rounded up to 4) entries, p << 16 | (uint16) r. */
#include "../lanes/groups.h"

typedef struct {
  int32_t start;
  uint32_t count;
} split_row;

#define SPLIT_LIST(panel, rows, r, k) \
  ((uint32_t *)((char *)(panel) + (rows) * (sizeof(split_row) + UP(k, 4)) + (r) * UP(k, 4) * 4))
#define SPLIT_BYTES(rows, k) ((rows) * (sizeof(split_row) + UP(k, 4) * 5))

/* Puts centred values p ... p + 15 of row r of a panel, of which those beyond k are zero. The row's list must be empty
 * before the first. Gives them back. */
INLINE i32x16 put_split(char *panel, size_t rows, size_t r, size_t p, size_t k, i32x16 c) {
  split_row *header = (split_row *)panel + r;
  char *to = panel + rows * sizeof(split_row) + p * rows + r * 4;
  size_t groups = p + LANES <= k ? 4 : (k - p + 3) / 4;
  i16x16 v = __builtin_convertvector(c, i16x16);
  i16x16 magnitude = __builtin_elementwise_max(v, -v);
  i16x16 other = __builtin_shufflevector(magnitude, magnitude, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  i16x16 unsafe = magnitude + other > 127;
  if (!_mm256_movemask_epi8((__m256i)unsafe)) {
    i8x16 b = __builtin_convertvector(v, i8x16);
    put_groups(to, rows, &b, groups);
    return c;
  }
  i16x16 smaller = __builtin_elementwise_min(magnitude, other), both = smaller > 127;
  i16x16 even = {-1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0};
  i16x16 larger = (magnitude > other) | ((magnitude == other) & even);
  i16x16 limit = (larger & (127 - other)) | (~larger & 255);
  limit = (both & 63) | (~both & limit);
  i16x16 cut = __builtin_elementwise_min(__builtin_elementwise_max(v, -limit), limit);
  i8x16 b = __builtin_convertvector(cut, i8x16);
  put_groups(to, rows, &b, groups);

  i16x16 rest = v - cut;
  uint32_t *list = SPLIT_LIST(panel, rows, r, k) + header->count;
  /* Two bits of the mask for each lane. */
  uint32_t left = ~(uint32_t)_mm256_movemask_epi8((__m256i)(rest == 0));
  header->count += (uint32_t)__builtin_popcount(left) / 2;
  int16_t values[LANES];
  memcpy(values, &rest, sizeof values);
  for (; left; left &= left - 1, left &= left - 1) {
    uint32_t i = (uint32_t)__builtin_ctz(left) / 2;
    *list++ = (uint32_t)(p + i) << 16 | (uint16_t)values[i];
  }
  return c;
}
