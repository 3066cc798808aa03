// What products of int8 inputs with quantised panels share, however they multiply: reading and
// unpacking panels, the inputs of a tile, and the float steps at the end of a block.

/// How far ahead of its use a vector is asked for, which may lie behind the matrix: that never
/// faults.
enum { CK_AHEAD = 2048 };

/// A panel is read as one stream. Where few rows share the weights, the processor itself runs ahead
/// of it far enough, and being asked holds it up: one thread of a Zen 4 reads Q4_K at 28 instead of
/// 22 GB/s for one row. With more rows it falls behind: 13 instead of 19 GB/s for four.
CK_INLINE void ask_ahead(const uint8_t *vector, int rows) {
  if (rows > 2) __builtin_prefetch(vector + CK_AHEAD);
}

/// The next vector of a panel, for a tile of `rows`.
CK_INLINE ints ints_stream(const uint8_t *vector, int rows) {
  ask_ahead(vector, rows);
  return ints_load(vector);
}

/// `codes` of two groups of columns from a vector of nibbles.
typedef struct {
  ints first, second;
} group_pair;

CK_INLINE group_pair nibbles(const uint8_t *vector, int rows) {
  ints both = ints_stream(vector, rows);
  return (group_pair){ints_and(both, 0x0F0F0F0F), ints_and(ints_right(both, 4), 0x0F0F0F0F)};
}

/// Bits from `shift` up of `high`, `mask` telling how many, above the nibbles of a group.
CK_INLINE ints with_high_bits(ints nibbles, ints high, int shift, int32_t mask) {
  ints moved = shift <= 4 ? ints_left(high, 4 - shift) : ints_right(high, shift - 4);
  return ints_merge(nibbles, moved, mask);
}

/// Codes of pair number `pair` of groups, with `high_width` bits of `high` above each nibble.
CK_INLINE group_pair group_codes(const uint8_t *vectors, ints high, int high_width, int pair,
                                 int rows) {
  int32_t mask = high_width == 1 ? 0x10101010 : 0x30303030;
  group_pair codes = nibbles(vectors + pair * CK_VECTOR, rows);
  if (high_width > 0) {
    codes.first = with_high_bits(codes.first, high, 2 * pair * high_width, mask);
    codes.second = with_high_bits(codes.second, high, (2 * pair + 1) * high_width, mask);
  }
  return codes;
}

/// 6-bit factors of four parts each, as bytes of the lanes; `offsets` likewise.
typedef struct {
  ints factors[2], offsets[2];
} part_factors;

CK_INLINE part_factors unpack_factors(const uint8_t *vectors, int rows) {
  ints low = ints_stream(vectors, rows), middle = ints_stream(vectors + CK_VECTOR, rows);
  ints high = ints_stream(vectors + 2 * CK_VECTOR, rows);
  return (part_factors){
      {ints_and(low, 0x3F3F3F3F),
       ints_merge(ints_and(high, 0x0F0F0F0F), ints_right(low, 2), 0x30303030)},
      {ints_and(middle, 0x3F3F3F3F),
       ints_merge(ints_and(ints_right(high, 4), 0x0F0F0F0F), ints_right(middle, 2), 0x30303030)}};
}

/// The inputs of a tile.
typedef struct {
  const uint8_t *values;
  const float *scales;
  const int32_t *starts;
  const int16_t *sums;
  int64_t value_stride, scale_stride, start_stride, sum_stride;
} tile_inputs;

CK_INLINE tile_inputs inputs_from(const ck_inputs *x, int64_t row) {
  return (tile_inputs){x->values + row * x->value_stride,
                       x->scales + row * x->scale_stride,
                       x->starts + row * x->start_stride,
                       x->sums + row * x->sum_stride,
                       x->value_stride,
                       x->scale_stride,
                       x->start_stride,
                       x->sum_stride};
}

/// Sums of q times offsets, for one row and block.
CK_INLINE ints offset_sum(const ints offsets[2], const int16_t *sums) {
  ints sum = ints_zero();
  for (int half = 0; half < 2; half++) {
    ints even = ints_and(offsets[half], 0x00FF00FF);
    ints odd = ints_and(ints_right(offsets[half], 8), 0x00FF00FF);
    sum = ints_dot_pairs(sum, even, ints_broadcast(sums + half * 4));
    sum = ints_dot_pairs(sum, odd, ints_broadcast(sums + half * 4 + 2));
  }
  return sum;
}

/// total + sum * (unit * scale)
CK_INLINE lanes add_sum(lanes total, ints sum, lanes unit, const float *scale) {
  return lanes_multiply_add(lanes_of_ints(sum), lanes_multiply(unit, lanes_broadcast(*scale)),
                            total);
}

/// total - (sum of q times offsets) * (unit * scale)
CK_INLINE lanes subtract_offsets(lanes total, const ints offsets[2], const int16_t *sums,
                                 lanes unit, const float *scale) {
  return lanes_negative_multiply_add(lanes_of_ints(offset_sum(offsets, sums)),
                                     lanes_multiply(unit, lanes_broadcast(*scale)), total);
}

/// Stores the totals of a tile; rows of the panel beyond the matrix are not written.
CK_INLINE void store_totals(const ck_panels *w, int64_t panel, const lanes *totals, ck_rows y,
                            int rows) {
  lane_mask mask = lanes_mask(w->rows - panel * CK_PANEL_ROWS);
  for (int r = 0; r < rows; r++) lanes_store(y.elements + r * y.stride, totals[r], mask);
}

