// Products of int8 inputs with quantised panels, over the lanes of one tier.
//
// A tile is one panel by some rows. Codes are unpacked once for all rows of the tile; the four
// inputs of a group are broadcast from memory into the multiply-add. Integer sums are exact, so
// only the float steps at the end of each block have an order.

#include "vector_codes.h"

/// Adds the products of a group with the inputs from column `k` on, for every row.
CK_INLINE void add_group_products(ints *sums, ints codes, const tile_inputs *x, int64_t k,
                                  int rows) {
  for (int r = 0; r < rows; r++)
    sums[r] = ints_dot(sums[r], codes, ints_broadcast(x->values + r * x->value_stride + k));
}

CK_INLINE void add_nibble_products(ints *sums, const uint8_t *vectors, ints high, int high_width,
                                   int count, const tile_inputs *x, int64_t k, int rows) {
  for (int pair = 0; pair < count; pair++) {
    group_pair codes = group_codes(vectors, high, high_width, pair, rows);
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
      const float *scale = x.scales + r * x.scale_stride + b;
      totals[r] = add_sum(totals[r], sums[r], unit, scale);
    }
  }
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
      const float *scale = x.scales + r * x.scale_stride + b;
      lanes total = add_sum(totals[r], products[r], unit, scale);
      if (format != CK_PANEL_Q6_K)
        total = subtract_offsets(total, parts.offsets, x.sums + r * x.sum_stride + b * 8,
                                 lanes_of_halves(units + 32), scale);
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
