/* Activations for `vpmaddubsw`, split so that it cannot saturate.
 *
 * The instruction multiplies u8 by s8 and adds neighbouring products in int16, saturating. Here the unsigned side are the
 * weights, w + 128 in 1 ... 255, and the signed side centred activations c = q - centre. A sum of such products stays within
 * int16 where the positive activations in it add up to no more than 127, and the negative ones neither, as 127 x 255 <
 * 2^15. Where they do not, the largest are cut until they do; what is cut off, rest = c - cut, goes to a list that the
 * tile adds one by one. All sums are modulo 2^32 and their total fits int32, so that the result is exact:
 *
 *   sum c w = sum cut (w + 128) + sum rest (w + 128) - 128 sum c
 *
 * Sums in int16 save bringing each to int32, so where activations are small beside their range, as a few large ones make
 * them, the products of several groups of four are added before: of the `depth` groups 4i and 4i + 2, and 4i + 1 and
 * 4i + 3, or of all four. The depth is chosen for each panel.
 *
 * The centre of a row is its zero, but not too near an end of the range: values that GELU gives, most of them about zero and
 * the others all of one sign, would have to be cut often for want of room on that side, and leave the other empty.
 *
 * A panel: its split_rows, the cut values in their groups, then for each row a list with room for all its values: first
 * their places in the row, uint16, then the rests, int16; an odd number is filled up with a rest of 0. */
#include "../lanes/groups.h"

typedef struct {
  int32_t start;  /* -128 sum c */
  uint32_t count; /* of the list */
  int32_t depth;  /* groups that are added in int16: 1, 2 or 4, the same for all rows of a panel */
} split_row;

#define SPLIT_GROUPS(panel, rows) ((char *)(panel) + (rows) * sizeof(split_row))
#define SPLIT_PLACES(panel, rows, r, k) ((uint16_t *)(SPLIT_GROUPS(panel, rows) + (rows) * UP(k, 16)) + (r) * 2 * UP(k, 16))
#define SPLIT_RESTS(panel, rows, r, k) ((int16_t *)SPLIT_PLACES(panel, rows, r, k) + UP(k, 16))
#define SPLIT_BYTES(rows, k) ((rows) * (sizeof(split_row) + UP(k, 16) * 5))

/* The depth for rows whose values have this mean magnitude. Beyond these, what more there is to split off takes longer than
 * is saved: timed with Gaussian rows, some values of which are larger, and GELU of such. */
INLINE int32_t split_depth(float mean_magnitude) { return mean_magnitude < 11.0f ? 4 : mean_magnitude < 25.0f ? 2 : 1; }

/* As far from zero as it may be: 2 depth zeros still add up to less than 127 in magnitude. */
INLINE int32_t split_centre(int32_t zero, int32_t depth) {
  int32_t margin = 63 / depth;
  return zero < margin ? margin : zero > 255 - margin ? 255 - margin : zero;
}

INLINE int32_t start_split(char *panel, size_t rows, float mean_magnitude) {
  int32_t depth = split_depth(mean_magnitude);
  for (size_t r = 0; r < rows; r++) ((split_row *)panel)[r] = (split_row){0, 0, depth};
  return depth;
}

/* The sum, or the largest, of those of sixteen values that fall on the same int16. Values lie in the order in which
 * vpackssdw leaves groups, 0 2 1 3. */
#define ACROSS(name, operation)                                                                                    \
  INLINE i16x16 name(i16x16 v, const int32_t depth) {                                                              \
    v = operation(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));         \
    if (depth > 1)                                                                                                 \
      v = operation(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));       \
    if (depth > 2)                                                                                                 \
      v = operation(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));       \
    return v;                                                                                                      \
  }
#define ADD(a, b) ((a) + (b))
ACROSS(sum_across, ADD)
ACROSS(largest_across, __builtin_elementwise_max)
#undef ADD
#undef ACROSS

/* Whether no sum of 16 values can saturate: sum_across of either sign is at most 127. */
INLINE int fits(__m256i c, const int32_t depth) {
  __m256i ones = _mm256_set1_epi16(1);
  __m256i positive = _mm256_max_epi16(c, _mm256_setzero_si256()), negative = _mm256_sub_epi16(positive, c);
  __m256i up = _mm256_madd_epi16(positive, ones), down = _mm256_madd_epi16(negative, ones);
  if (depth > 1) {
    up = _mm256_add_epi32(up, _mm256_shuffle_epi32(up, 0x4e));
    down = _mm256_add_epi32(down, _mm256_shuffle_epi32(down, 0x4e));
  }
  if (depth > 2) {
    up = _mm256_add_epi32(up, _mm256_permute4x64_epi64(up, 0x4e));
    down = _mm256_add_epi32(down, _mm256_permute4x64_epi64(down, 0x4e));
  }
  return !_mm256_movemask_epi8(_mm256_cmpgt_epi32(_mm256_max_epi32(up, down), _mm256_set1_epi32(127)));
}

/* How much of the largest of some values of one sign, given as magnitudes, has to go. */
INLINE i16x16 excess(i16x16 side, const int32_t depth) {
  i16x16 over = __builtin_elementwise_max(sum_across(side, depth) - 127, (i16x16){0});
  return (side == largest_across(side, depth)) & __builtin_elementwise_min(over, side);
}

/* Cuts values p ... p + 15 of row r until they fit; what is cut off goes to the row's list. */
INLINE __m256i cut_off(char *panel, size_t rows, size_t r, size_t p, size_t k, __m256i values, const int32_t depth) {
  static const uint8_t place[LANES] = {0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15};
  split_row *header = (split_row *)panel + r;
  i16x16 c = (i16x16)values, cut = c;
  do {
    i16x16 positive = __builtin_elementwise_max(cut, (i16x16){0}), negative = positive - cut;
    cut += excess(negative, depth) - excess(positive, depth);
  } while (!fits((__m256i)cut, depth));
  i16x16 rest = c - cut;
  /* Two bits of the mask for each lane. */
  uint32_t left = ~(uint32_t)_mm256_movemask_epi8((__m256i)(rest == 0));
  uint16_t *places = SPLIT_PLACES(panel, rows, r, k) + header->count;
  int16_t *rests = SPLIT_RESTS(panel, rows, r, k) + header->count, each[LANES];
  header->count += (uint32_t)__builtin_popcount(left) / 2;
  memcpy(each, &rest, sizeof each);
  for (; left; left &= left - 1, left &= left - 1) {
    uint32_t i = (uint32_t)__builtin_ctz(left) / 2;
    *places++ = (uint16_t)(p + place[i]);
    *rests++ = each[i];
  }
  if (header->count % 2) *places = 0, *rests = 0;
  return (__m256i)cut;
}

/* Puts centred values p ... p + 15 of row r of a panel, of which those beyond k stand for 0, into its groups and its list.
 * Gives them back. */
INLINE i32x16 put_split(char *panel, size_t rows, size_t r, size_t p, size_t k, i32x16 q, const int32_t depth) {
  __m256i c = _mm256_packs_epi32((__m256i)LOW8(q), (__m256i)HIGH8(q));
  if (!fits(c, depth)) c = cut_off(panel, rows, r, p, k, c, depth);
  c = _mm256_packs_epi16(c, c);
  __m128i bytes = _mm_unpacklo_epi32(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1));
  memcpy(SPLIT_GROUPS(panel, rows) + p * rows + r * ROW_GROUP, &bytes, sizeof bytes);
  return q;
}
