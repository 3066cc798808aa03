// Products of int8 inputs with quantised panels, over the lanes of one tier.
//
// A tile is one panel by some rows. Codes are unpacked once for all rows of the tile; the four
// inputs of a group are broadcast from memory into the multiply-add. Integer sums are exact, so
// only the float steps at the end of each block have an order.

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

/// Adds the products of a group with the inputs from column `k` on, for every row.
CK_INLINE void add_group_products(ints *sums, ints codes, const tile_inputs *x, int64_t k,
                                  int rows) {
  for (int r = 0; r < rows; r++)
    sums[r] = ints_dot(sums[r], codes, ints_broadcast(x->values + r * x->value_stride + k));
}

CK_INLINE void add_nibble_products(ints *sums, const uint8_t *vectors, ints high, int high_width,
                                   int count, const tile_inputs *x, int64_t k, int rows) {
  int32_t mask = high_width == 1 ? 0x10101010 : 0x30303030;
  for (int pair = 0; pair < count; pair++) {
    group_pair codes = nibbles(vectors + pair * CK_VECTOR, rows);
    if (high_width > 0) {
      codes.first = with_high_bits(codes.first, high, 2 * pair * high_width, mask);
      codes.second = with_high_bits(codes.second, high, (2 * pair + 1) * high_width, mask);
    }
    add_group_products(sums, codes.first, x, k + 8 * pair, rows);
    add_group_products(sums, codes.second, x, k + 8 * pair + 4, rows);
  }
}

/// Blocks of 32 columns.
CK_INLINE void tile_int8_32(ck_panel_format format, const uint8_t *panel, int64_t columns,
                            tile_inputs x, lanes *totals, int rows) {
  const uint8_t *vectors = panel, *units = panel;
  for (int r = 0; r < rows; r++) totals[r] = lanes_broadcast(0.0f);
  for (int64_t b = 0; b < columns / 32; b++) {
    if (b % 2 == 0) {
      units = vectors;
      ask_ahead(units, rows);
      vectors += CK_VECTOR;
    }
    ints sums[CK_INT_TILE_ROWS];
    for (int r = 0; r < rows; r++) {
      const int32_t *start = x.starts + r * x.start_stride + b;
      sums[r] = format == CK_PANEL_Q8_0 ? ints_start_bytes(start) : ints_broadcast(start);
    }
    if (format == CK_PANEL_Q8_0) {
      for (int g = 0; g < 8; g++) {
        ints codes = ints_stream(vectors + g * CK_VECTOR, rows);
        for (int r = 0; r < rows; r++)
          sums[r] = ints_dot_bytes(
              sums[r], codes, ints_broadcast(x.values + r * x.value_stride + b * 32 + 4 * g));
      }
    } else if (format == CK_PANEL_Q4_0) {
      add_nibble_products(sums, vectors, ints_zero(), 0, 4, &x, b * 32, rows);
    } else {
      ints high = ints_stream(vectors, rows);
      add_nibble_products(sums, vectors + CK_VECTOR, high, 1, 4, &x, b * 32, rows);
    }
    vectors += ck_block_bytes(format, 0);
    lanes unit = lanes_of_halves(units + b % 2 * 32);
    for (int r = 0; r < rows; r++) {
      lanes scale = lanes_multiply(unit, lanes_broadcast(x.scales[r * x.scale_stride + b]));
      totals[r] = lanes_multiply_add(lanes_of_ints(sums[r]), scale, totals[r]);
    }
  }
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

/// Q4_K and Q5_K: the sum of one block without offsets.
CK_INLINE void block_sums(ck_panel_format format, const uint8_t *vectors, const ints factors[2],
                          const tile_inputs *x, int64_t b, ints *products, int rows) {
  vectors += 3 * CK_VECTOR;
  for (int part = 0; part < 8; part++) {
    ints sums[CK_INT_TILE_ROWS];
    for (int r = 0; r < rows; r++) sums[r] = ints_zero();
    if (format == CK_PANEL_Q4_K) {
      add_nibble_products(sums, vectors, ints_zero(), 0, 4, x, b * 256 + part * 32, rows);
      vectors += 4 * CK_VECTOR;
    } else {
      add_nibble_products(sums, vectors + CK_VECTOR, ints_stream(vectors, rows), 1, 4, x,
                          b * 256 + part * 32, rows);
      vectors += 5 * CK_VECTOR;
    }
    ints factor = ints_and(ints_right(factors[part / 4], 8 * (part % 4)), 0xFF);
    for (int r = 0; r < rows; r++)
      products[r] = ints_multiply_add(sums[r], factor, products[r]);
  }
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

/// Q6_K: the sum of one block.
CK_INLINE void block_sums_signed(const uint8_t *vectors, tile_inputs *x, int64_t b, ints *products,
                                 int rows) {
  const uint8_t *factors = vectors;
  for (int v = 0; v < 4; v++) ask_ahead(factors + v * CK_VECTOR, rows);
  vectors += 4 * CK_VECTOR;
  for (int j = 0; j < 16; j++) {
    ints sums[CK_INT_TILE_ROWS];
    for (int r = 0; r < rows; r++)
      sums[r] = ints_broadcast(x->starts + r * x->start_stride + b * 16 + j);
    ints high = ints_stream(vectors, rows);
    add_nibble_products(sums, vectors + CK_VECTOR, high, 2, 2, x, b * 256 + j * 16, rows);
    vectors += 3 * CK_VECTOR;
    ints factor = ints_of_bytes(factors + j * 16);
    for (int r = 0; r < rows; r++)
      products[r] = ints_multiply_add(sums[r], factor, products[r]);
  }
}

/// Blocks of 256 columns. `totals` is in memory: sums of one block fill the registers.
CK_INLINE void tile_int8_256(ck_panel_format format, const uint8_t *panel, int64_t columns,
                             tile_inputs x, lanes *totals, int rows) {
  const uint8_t *vectors = panel, *units = panel;
  int64_t sharing = ck_unit_blocks(format);
  for (int r = 0; r < rows; r++) totals[r] = lanes_broadcast(0.0f);
  for (int64_t b = 0; b < columns / 256; b++) {
    if (b % sharing == 0) {
      units = vectors;
      ask_ahead(units, rows);
      vectors += CK_VECTOR;
    }
    ints products[CK_INT_TILE_ROWS];
    for (int r = 0; r < rows; r++) products[r] = ints_zero();
    part_factors parts;
    if (format == CK_PANEL_Q6_K) {
      block_sums_signed(vectors, &x, b, products, rows);
    } else {
      parts = unpack_factors(vectors, rows);
      block_sums(format, vectors, parts.factors, &x, b, products, rows);
    }
    vectors += ck_block_bytes(format, 0);
    lanes unit = lanes_of_halves(units + b % sharing * 32);
    for (int r = 0; r < rows; r++) {
      lanes scale = lanes_broadcast(x.scales[r * x.scale_stride + b]);
      lanes total = lanes_multiply_add(lanes_of_ints(products[r]), lanes_multiply(unit, scale),
                                       totals[r]);
      if (format != CK_PANEL_Q6_K) {
        lanes offset_unit = lanes_of_halves(units + 32);
        lanes offset = lanes_of_ints(offset_sum(parts.offsets, x.sums + r * x.sum_stride + b * 8));
        total = lanes_negative_multiply_add(offset, lanes_multiply(offset_unit, scale), total);
      }
      totals[r] = total;
    }
  }
}

#define CK_INT_TILE(name, tile, format)                                                        \
  static __attribute__((noinline)) void CK_NAME(name)(const ck_panels *w, int64_t panel,       \
                                                      const ck_inputs *x, int64_t row,         \
                                                      const ck_rows *y, int rows) {            \
    lanes totals[CK_INT_TILE_ROWS];                                                            \
    const uint8_t *bytes = w->bytes + panel * w->panel_bytes;                                  \
    tile_inputs inputs = inputs_from(x, row);                                                  \
    switch (rows) {                                                                            \
      CK_INT_TILE_CASES(tile, format, bytes, w->columns, inputs, totals)                       \
      default: __builtin_unreachable();                                                        \
    }                                                                                          \
    store_totals(w, panel, totals, *y, rows);                                                  \
  }

/// Stores the totals of a tile; rows of the panel beyond the matrix are not written.
CK_INLINE void store_totals(const ck_panels *w, int64_t panel, const lanes *totals, ck_rows y,
                            int rows) {
  lane_mask mask = lanes_mask(w->rows - panel * CK_PANEL_ROWS);
  for (int r = 0; r < rows; r++) lanes_store(y.elements + r * y.stride, totals[r], mask);
}

CK_INT_TILE(tile_q8_0, tile_int8_32, CK_PANEL_Q8_0)
CK_INT_TILE(tile_q4_0, tile_int8_32, CK_PANEL_Q4_0)
CK_INT_TILE(tile_q5_0, tile_int8_32, CK_PANEL_Q5_0)
CK_INT_TILE(tile_q4_K, tile_int8_256, CK_PANEL_Q4_K)
CK_INT_TILE(tile_q5_K, tile_int8_256, CK_PANEL_Q5_K)
CK_INT_TILE(tile_q6_K, tile_int8_256, CK_PANEL_Q6_K)

typedef void (*int_tile)(const ck_panels *w, int64_t panel, const ck_inputs *x, int64_t row,
                         const ck_rows *y, int rows);

CK_INLINE int_tile int_tile_of(ck_panel_format format) {
  switch (format) {
    case CK_PANEL_Q8_0: return CK_NAME(tile_q8_0);
    case CK_PANEL_Q4_0: return CK_NAME(tile_q4_0);
    case CK_PANEL_Q5_0: return CK_NAME(tile_q5_0);
    case CK_PANEL_Q4_K: return CK_NAME(tile_q4_K);
    case CK_PANEL_Q5_K: return CK_NAME(tile_q5_K);
    case CK_PANEL_Q6_K: return CK_NAME(tile_q6_K);
    default: __builtin_unreachable();
  }
}

/// A tile's inputs stay in the nearest cache while the panels of a group, which fit the next one,
/// stream by.
static void int_product(const ck_panels *w, int64_t first, int64_t panels, const ck_inputs *x,
                        ck_rows y) {
  int_tile tile = int_tile_of(w->format);
  int64_t group = panel_group(w);
  for (int64_t start = 0; start < panels; start += group)
    for (int64_t row = 0, rows; row < x->count; row += rows) {
      rows = tile_rows(x->count - row, CK_INT_TILE_ROWS);
      for (int64_t p = start; p < start + group && p < panels; p++) {
        ck_rows target = {y.elements + row * y.stride + p * CK_PANEL_ROWS, rows, y.stride};
        tile(w, first + p, x, row, &target, (int)rows);
      }
    }
}

void CK_NAME(ck_product_int8_32)(const ck_panels *w, int64_t first, int64_t panels,
                                 const ck_inputs *x, ck_rows y) {
  int_product(w, first, panels, x, y);
}

void CK_NAME(ck_product_int8_256)(const ck_panels *w, int64_t first, int64_t panels,
                                  const ck_inputs *x, ck_rows y) {
  int_product(w, first, panels, x, y);
}
