// Products of int8 inputs with quantised panels in tiles, for many rows; few rows are left to the
// vector kernels. Included after the lanes and ints of AVX-512 and after tiles.
//
// Four neighbouring columns of 16 output rows, a vector of a panel, are a row of a tile of weights.
// A product of full tiles takes 16 cycles as published, an eighth of what two vector units take for
// it, so what happens between tiles decides. Blocks of 32 columns fill half a tile and have float
// steps each, which bound Q8_0, Q4_0 and Q5_0. Blocks of 256 have their parts' factors multiplied
// into the codes as these are unpacked, once for all rows of a group: the results are too large for
// a byte and become two planes of bytes, one of which counts 8 or 128 times, so that tiles are full
// and float steps are those of a whole block. Sums stay whole numbers, so their bits do not change.
//
// There are no tiles of bfloat16: TDPBF16PS sums the first and the second of all pairs apart, and
// VDPBF16PS, which serves few rows, does not; bits would depend on the number of rows.

#ifndef CK_TIER
#error "a tier has a name"
#endif

enum {
  /// Rows that share what is unpacked of a panel; so many totals stay in the nearest cache.
  GROUP_ROWS = 256,
  /// Vectors of four columns in the planes of a step.
  STEP_VECTORS = 64,
};

/// The tiles: sums of two tiles of rows with two planes or blocks of weights.
enum { SUMS_00, SUMS_01, SUMS_10, SUMS_11, INPUTS_0, INPUTS_1, WEIGHTS_0, WEIGHTS_1 };

/// What one step takes of a panel: two blocks of 32 columns, or a block of 256 in two planes.
typedef struct {
  _Alignas(CK_VECTOR) uint8_t weights[2][STEP_VECTORS * CK_VECTOR];
  /// Units of two blocks, or of factors and offsets.
  lanes units[2];
  ints offsets[2];
} tile_step;

/// Sums of a step: [tile of rows][block or plane][row][lane].
typedef struct {
  _Alignas(CK_VECTOR) int32_t of[2][2][TILE_ROWS][CK_PANEL_ROWS];
} tile_sums;

/// How a group of rows is dealt into tiles of equal size, which overlap at the end: a row that is
/// computed twice gets the same bits. Their number is even.
typedef struct {
  int64_t count, tiles, rows;
} tile_deal;

CK_INLINE tile_deal deal_rows(int64_t count) {
  int64_t tiles = (count + 2 * TILE_ROWS - 1) / (2 * TILE_ROWS) * 2;
  return (tile_deal){count, tiles, (count + tiles - 1) / tiles};
}

CK_INLINE int64_t tile_start(tile_deal deal, int64_t tile) {
  int64_t start = tile * deal.rows, last = deal.count - deal.rows;
  return start < last ? start : last;
}

CK_INLINE void store_codes(uint8_t *vector, ints codes) { _mm512_store_si512(vector, codes); }

/// The codes of a block of 32 less the code of zero, signed.
CK_INLINE void unpack_block(ck_panel_format format, const uint8_t *vectors, uint8_t *weights) {
  const ints zero = _mm512_set1_epi8((char)ck_zero_code(format));
  if (format == CK_PANEL_Q8_0) {
    for (int g = 0; g < 8; g++)
      store_codes(weights + g * CK_VECTOR,
                  _mm512_sub_epi8(ints_stream(vectors + g * CK_VECTOR, TILE_ROWS), zero));
    return;
  }
  int high_width = format == CK_PANEL_Q5_0 ? 1 : 0;
  ints high = high_width > 0 ? ints_stream(vectors, TILE_ROWS) : ints_zero();
  for (int pair = 0; pair < 4; pair++) {
    group_pair codes =
        group_codes(vectors + high_width * CK_VECTOR, high, high_width, pair, TILE_ROWS);
    store_codes(weights + 2 * pair * CK_VECTOR, _mm512_sub_epi8(codes.first, zero));
    store_codes(weights + (2 * pair + 1) * CK_VECTOR, _mm512_sub_epi8(codes.second, zero));
  }
}

/// Q4_K and Q5_K: factor * code = low + 8 * high, where low has the lower three bits of the factor
/// and high the upper three. No product exceeds 7 * 31, so one multiplication of 16 bits makes two.
CK_INLINE void unpack_part(ck_panel_format format, const uint8_t *vectors, ints factor,
                           tile_step *step, int part) {
  ints factors = ints_merge(factor, ints_left(factor, 16), 0x00FF0000);
  const ints low = ints_and(factors, 0x00070007);
  const ints high = ints_and(ints_right(factors, 3), 0x00070007);
  int high_width = format == CK_PANEL_Q5_K ? 1 : 0;
  ints bits = high_width > 0 ? ints_stream(vectors, TILE_ROWS) : ints_zero();
  for (int pair = 0; pair < 4; pair++) {
    group_pair codes =
        group_codes(vectors + high_width * CK_VECTOR, bits, high_width, pair, TILE_ROWS);
    int64_t place = (part * 8 + 2 * pair) * CK_VECTOR;
    store_codes(step->weights[0] + place, _mm512_mullo_epi16(codes.first, low));
    store_codes(step->weights[1] + place, _mm512_mullo_epi16(codes.first, high));
    store_codes(step->weights[0] + place + CK_VECTOR, _mm512_mullo_epi16(codes.second, low));
    store_codes(step->weights[1] + place + CK_VECTOR, _mm512_mullo_epi16(codes.second, high));
  }
}

/// Q6_K: factor * (code - 32), at most 4096 in size, = low + 128 * high; low has seven bits.
CK_INLINE void store_signed_products(ints codes, ints factors, uint8_t *low, uint8_t *high) {
  ints values = _mm512_sub_epi8(codes, _mm512_set1_epi8(32));
  ints even = _mm512_mullo_epi16(_mm512_srai_epi16(_mm512_slli_epi16(values, 8), 8), factors);
  ints odd = _mm512_mullo_epi16(_mm512_srai_epi16(values, 8), factors);
  store_codes(low, ints_merge(ints_and(even, 0x007F007F), _mm512_slli_epi16(odd, 8), 0x7F007F00));
  store_codes(high, ints_merge(ints_and(_mm512_srai_epi16(even, 7), 0x00FF00FF),
                               _mm512_slli_epi16(odd, 1), (int32_t)0xFF00FF00));
}

CK_INLINE void unpack_signed_part(const uint8_t *vectors, ints factor, tile_step *step, int part) {
  ints factors = ints_merge(ints_and(factor, 0xFFFF), ints_left(factor, 16), (int32_t)0xFFFF0000);
  ints bits = ints_stream(vectors, TILE_ROWS);
  for (int pair = 0; pair < 2; pair++) {
    group_pair codes = group_codes(vectors + CK_VECTOR, bits, 2, pair, TILE_ROWS);
    uint8_t *low = step->weights[0] + (part * 4 + 2 * pair) * CK_VECTOR;
    uint8_t *high = step->weights[1] + (part * 4 + 2 * pair) * CK_VECTOR;
    store_signed_products(codes.first, factors, low, high);
    store_signed_products(codes.second, factors, low + CK_VECTOR, high + CK_VECTOR);
  }
}

/// `count` blocks of 32, or one of 256, from block `b` on.
CK_INLINE void unpack_step(ck_panel_format format, const uint8_t *panel, int64_t b, int count,
                           tile_step *step) {
  const uint8_t *vectors = panel + ck_vectors_offset(format, 0, b);
  const uint8_t *units = panel + ck_units_offset(format, b);
  step->units[0] = lanes_of_halves(units);
  if (format != CK_PANEL_Q6_K) step->units[1] = lanes_of_halves(units + 32);
  if (ck_block_columns(format, 0) == 32) {
    for (int j = 0; j < count; j++)
      unpack_block(format, vectors + j * ck_block_bytes(format, 0), step->weights[j]);
  } else if (format == CK_PANEL_Q6_K) {
    for (int part = 0; part < 16; part++)
      unpack_signed_part(vectors + (4 + 3 * part) * CK_VECTOR, ints_of_bytes(vectors + part * 16),
                         step, part);
  } else {
    part_factors parts = unpack_factors(vectors, TILE_ROWS);
    int64_t size = (format == CK_PANEL_Q5_K ? 5 : 4) * CK_VECTOR;
    for (int part = 0; part < 8; part++)
      unpack_part(format, vectors + 3 * CK_VECTOR + part * size,
                  ints_and(ints_right_by(parts.factors[part / 4], 8 * (part % 4)), 0xFF), step,
                  part);
    step->offsets[0] = parts.offsets[0];
    step->offsets[1] = parts.offsets[1];
  }
}

CK_INLINE void store_sums(tile_sums *sums) {
  tile_store(SUMS_00, sums->of[0][0], CK_VECTOR);
  tile_store(SUMS_01, sums->of[0][1], CK_VECTOR);
  tile_store(SUMS_10, sums->of[1][0], CK_VECTOR);
  tile_store(SUMS_11, sums->of[1][1], CK_VECTOR);
}

/// Two tiles of rows with `count` blocks of 32; `x` are their inputs from the first column on.
CK_INLINE void multiply_blocks(const tile_step *step, const uint8_t *const x[2], int64_t stride,
                               int count, tile_sums *sums) {
  tile_zero(SUMS_00);
  tile_zero(SUMS_10);
  tile_load(WEIGHTS_0, step->weights[0], CK_VECTOR);
  tile_load(INPUTS_0, x[0], stride);
  tile_dot(SUMS_00, INPUTS_0, WEIGHTS_0, 1);
  tile_load(INPUTS_1, x[1], stride);
  tile_dot(SUMS_10, INPUTS_1, WEIGHTS_0, 1);
  if (count > 1) {
    tile_zero(SUMS_01);
    tile_zero(SUMS_11);
    tile_load(WEIGHTS_1, step->weights[1], CK_VECTOR);
    tile_load(INPUTS_0, x[0] + 32, stride);
    tile_dot(SUMS_01, INPUTS_0, WEIGHTS_1, 1);
    tile_load(INPUTS_1, x[1] + 32, stride);
    tile_dot(SUMS_11, INPUTS_1, WEIGHTS_1, 1);
  }
  store_sums(sums);
}

/// Two tiles of rows with both planes of a block of 256.
CK_INLINE void multiply_planes(const tile_step *step, const uint8_t *const x[2], int64_t stride,
                               int are_signed, tile_sums *sums) {
  tile_zero(SUMS_00);
  tile_zero(SUMS_01);
  tile_zero(SUMS_10);
  tile_zero(SUMS_11);
  for (int64_t k = 0; k < 4; k++) {
    tile_load(WEIGHTS_0, step->weights[0] + k * TILE_ROWS * CK_VECTOR, CK_VECTOR);
    tile_load(WEIGHTS_1, step->weights[1] + k * TILE_ROWS * CK_VECTOR, CK_VECTOR);
    tile_load(INPUTS_0, x[0] + k * TILE_ROW_BYTES, stride);
    tile_dot(SUMS_00, INPUTS_0, WEIGHTS_0, are_signed);
    tile_dot(SUMS_01, INPUTS_0, WEIGHTS_1, are_signed);
    tile_load(INPUTS_1, x[1] + k * TILE_ROW_BYTES, stride);
    tile_dot(SUMS_10, INPUTS_1, WEIGHTS_0, are_signed);
    tile_dot(SUMS_11, INPUTS_1, WEIGHTS_1, are_signed);
  }
  store_sums(sums);
}

/// The float steps of one tile of rows after a step from block `b` on.
CK_INLINE void add_step(ck_panel_format format, const tile_step *step, tile_inputs x, int64_t b,
                        int count, const int32_t sums[2][TILE_ROWS][CK_PANEL_ROWS], int64_t rows,
                        lanes *totals) {
  for (int64_t r = 0; r < rows; r++) {
    const float *scale = x.scales + r * x.scale_stride + b;
    ints first = _mm512_load_si512(sums[0][r]), second = _mm512_load_si512(sums[1][r]);
    lanes total = totals[r];
    if (ck_block_columns(format, 0) == 32) {
      total = add_sum(total, first, step->units[0], scale);
      if (count > 1) total = add_sum(total, second, step->units[1], scale + 1);
    } else {
      ints sum = _mm512_add_epi32(first, ints_left(second, format == CK_PANEL_Q6_K ? 7 : 3));
      total = add_sum(total, sum, step->units[0], scale);
      if (format != CK_PANEL_Q6_K)
        total = subtract_offsets(total, step->offsets, x.sums + r * x.sum_stride + b * 8,
                                 step->units[1], scale);
    }
    totals[r] = total;
  }
}

/// One panel by a group of rows.
CK_INLINE void multiply_panel(ck_panel_format format, const ck_panels *w, int64_t panel,
                              const ck_inputs *x, int64_t row, tile_deal deal, ck_rows y) {
  lanes totals[GROUP_ROWS];
  for (int64_t r = 0; r < deal.tiles * deal.rows; r++) totals[r] = lanes_broadcast(0.0f);
  const uint8_t *bytes = w->bytes + panel * w->panel_bytes;
  int64_t columns = ck_block_columns(format, 0), blocks = w->columns / columns;
  int64_t together = columns == 32 ? 2 : 1;
  tile_step step;
  for (int64_t b = 0; b < blocks; b += together) {
    int count = blocks - b < together ? 1 : (int)together;
    unpack_step(format, bytes, b, count, &step);
    for (int64_t tile = 0; tile < deal.tiles; tile += 2) {
      tile_inputs inputs[2] = {inputs_from(x, row + tile_start(deal, tile)),
                               inputs_from(x, row + tile_start(deal, tile + 1))};
      const uint8_t *values[2] = {inputs[0].values + b * columns, inputs[1].values + b * columns};
      tile_sums sums;
      if (columns == 32)
        multiply_blocks(&step, values, x->value_stride, count, &sums);
      else
        multiply_planes(&step, values, x->value_stride, format == CK_PANEL_Q6_K, &sums);
      for (int i = 0; i < 2; i++)
        add_step(format, &step, inputs[i], b, count, sums.of[i], deal.rows,
                 totals + (tile + i) * deal.rows);
    }
  }
  for (int64_t tile = 0; tile < deal.tiles; tile++) {
    ck_rows target = {y.elements + tile_start(deal, tile) * y.stride, deal.rows, y.stride};
    store_totals(w, panel, totals + tile * deal.rows, target, (int)deal.rows);
  }
}

#define CK_PANEL_IN_TILES(name, format)                                                       \
  static __attribute__((noinline)) void name(const ck_panels *w, int64_t panel,               \
                                             const ck_inputs *x, int64_t row, tile_deal deal, \
                                             ck_rows y) {                                     \
    multiply_panel(format, w, panel, x, row, deal, y);                                        \
  }

CK_PANEL_IN_TILES(multiply_q8_0, CK_PANEL_Q8_0)
CK_PANEL_IN_TILES(multiply_q4_0, CK_PANEL_Q4_0)
CK_PANEL_IN_TILES(multiply_q5_0, CK_PANEL_Q5_0)
CK_PANEL_IN_TILES(multiply_q4_K, CK_PANEL_Q4_K)
CK_PANEL_IN_TILES(multiply_q5_K, CK_PANEL_Q5_K)
CK_PANEL_IN_TILES(multiply_q6_K, CK_PANEL_Q6_K)

typedef void (*panel_in_tiles)(const ck_panels *w, int64_t panel, const ck_inputs *x, int64_t row,
                               tile_deal deal, ck_rows y);

CK_INLINE panel_in_tiles panel_in_tiles_of(ck_panel_format format) {
  switch (format) {
    case CK_PANEL_Q8_0: return multiply_q8_0;
    case CK_PANEL_Q4_0: return multiply_q4_0;
    case CK_PANEL_Q5_0: return multiply_q5_0;
    case CK_PANEL_Q4_K: return multiply_q4_K;
    case CK_PANEL_Q5_K: return multiply_q5_K;
    case CK_PANEL_Q6_K: return multiply_q6_K;
    default: __builtin_unreachable();
  }
}

/// Tiles of `rows` rows of inputs, with half the columns where blocks have 32.
CK_INLINE tile_configuration configuration_for(ck_panel_format format, int64_t rows) {
  int64_t columns = ck_block_columns(format, 0) == 32 ? 32 : TILE_ROW_BYTES;
  tile_configuration configuration = {.palette = 1};
  for (int tile = 0; tile < TILE_COUNT; tile++) {
    int is_input = tile == INPUTS_0 || tile == INPUTS_1;
    int is_weights = tile == WEIGHTS_0 || tile == WEIGHTS_1;
    configuration.row_bytes[tile] = (uint16_t)(is_input ? columns : TILE_ROW_BYTES);
    configuration.rows[tile] = (uint8_t)(is_weights ? columns / 4 : rows);
  }
  return configuration;
}

static void product_in_tiles(const ck_panels *w, int64_t first, int64_t panels, const ck_inputs *x,
                             ck_rows y) {
  panel_in_tiles multiply = panel_in_tiles_of(w->format);
  int64_t group = panel_group(w);
  for (int64_t start = 0; start < panels; start += group)
    for (int64_t row = 0, rows; row < x->count; row += rows) {
      rows = tile_rows(x->count - row, GROUP_ROWS);
      tile_deal deal = deal_rows(rows);
      tile_configuration configuration = configuration_for(w->format, deal.rows);
      tiles_configure(&configuration);
      for (int64_t p = start; p < start + group && p < panels; p++) {
        ck_rows target = {y.elements + row * y.stride + p * CK_PANEL_ROWS, rows, y.stride};
        multiply(w, first + p, x, row, deal, target);
      }
    }
  tiles_release();
}

/// Up to so many rows are left to the vector kernels. What surrounds the tile products, unpacking
/// and float steps, was measured on a Zen 4 without them: of the time of the vector kernels it
/// takes 0.67 for 9 rows of Q4_K, 0.42 for 16 and 0.16 for 512; of Q8_0 0.89, 0.60 and 0.33.
enum { FEW_ROWS = 16 };

void CK_NAME(ck_product_int8_32)(const ck_panels *w, int64_t first, int64_t panels,
                                 const ck_inputs *x, ck_rows y) {
  if (x->count <= FEW_ROWS) return ck_product_int8_32_avx512(w, first, panels, x, y);
  product_in_tiles(w, first, panels, x, y);
}

void CK_NAME(ck_product_int8_256)(const ck_panels *w, int64_t first, int64_t panels,
                                  const ck_inputs *x, ck_rows y) {
  if (x->count <= FEW_ROWS) return ck_product_int8_256_avx512(w, first, panels, x, y);
  product_in_tiles(w, first, panels, x, y);
}
