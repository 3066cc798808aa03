// Both matrix products over the 16-lane vectors of one tier. Included once per tier, after its
// lanes header, which defines `lanes`, CK_TILE_OUTPUTS, CK_TILE_ROWS and CK_SINGLE_ROW_OUTPUTS.
//
// A tile of outputs x rows keeps its accumulators in registers and decodes each weight once for all
// rows of the tile. Which tile an element falls into does not change its bits: each accumulator
// sees the same fused multiply-adds in the same order.

typedef struct {
  const ck_matrix *w;
  ck_format format;
  /// The rows of x rounded to bfloat16, `halves_stride` apart and padded with zeros to whole groups
  /// of 32; NULL when they are taken as they are.
  const uint16_t *halves;
  int64_t halves_stride;
  int64_t first;
  int64_t inputs;
  ck_rows x;
  ck_rows y;
} ck_product;

/// Columns over which one multiplier holds; all of them for formats without scales.
CK_INLINE int64_t scale_span(const ck_product *p) {
  return p->format == CK_FLOAT8_E4M3 ? p->w->block_columns : p->w->columns;
}

/// 16 decoded weights of row `row` from column `column`; `mask` selects those that exist.
CK_INLINE lanes decoded(const ck_product *p, int64_t row, int64_t column, lane_mask mask,
                        lanes scale) {
  lanes stored = lanes_decode(p->format, p->w->elements, row * p->w->row_stride + column, mask);
  return p->format == CK_FLOAT8_E4M3 ? lanes_multiply(stored, scale) : stored;
}

CK_INLINE lanes scale_of(const ck_product *p, int64_t row, int64_t column) {
  return lanes_broadcast(p->format == CK_FLOAT8_E4M3 ? ck_scale_at(p->w, row, column) : 1.0f);
}

/// The sums of a tile, outputs x rows.
typedef lanes tile_sums[CK_SINGLE_ROW_OUTPUTS][CK_TILE_ROWS];

/// Adds the products of one group of 16 columns; `left` columns remain.
CK_INLINE void add_group(const ck_product *p, tile_sums sums, const lanes *scales, int64_t output,
                         const float *x, int64_t k, int64_t left, int outputs, int rows) {
  lane_mask mask = lanes_mask(left);
  lanes weights[CK_SINGLE_ROW_OUTPUTS];
  for (int o = 0; o < outputs; o++)
    weights[o] = decoded(p, p->first + output + o, k, mask, scales[o]);
  for (int r = 0; r < rows; r++) {
    lanes input = lanes_load(x + r * p->x.stride + k, mask);
    for (int o = 0; o < outputs; o++)
      sums[o][r] = lanes_multiply_add(input, weights[o], sums[o][r]);
  }
}

/// Where the weights of outputs from `output` on begin, at column `k`.
CK_INLINE const uint16_t *halves_at(const ck_product *p, int64_t output, int64_t k) {
  return (const uint16_t *)p->w->elements + (p->first + output) * p->w->row_stride + k;
}

/// Asks for a weight of the next tile, which may lie behind the matrix: a prefetch never faults.
CK_INLINE void prefetch_next(const ck_product *p, const uint16_t *w, int outputs) {
  __builtin_prefetch(w + outputs * p->w->row_stride);
}

/// Adds the products of one group of 32 columns of bfloat16; `left` columns remain.
CK_INLINE void add_pairs(const ck_product *p, tile_sums sums, int64_t output, const float *x,
                         int64_t k, int64_t left, int outputs, int rows) {
  lane_pair weights[CK_SINGLE_ROW_OUTPUTS];
  for (int o = 0; o < outputs; o++) {
    const uint16_t *w = halves_at(p, output + o, k);
    weights[o] = pair_decode(w, left);
    prefetch_next(p, w, outputs);
  }
  for (int r = 0; r < rows; r++) {
    lane_pair input = pair_load(x + r * p->x.stride + k, left);
    for (int o = 0; o < outputs; o++)
      sums[o][r] = lanes_multiply_add(input.second, weights[o].second, sums[o][r]);
    for (int o = 0; o < outputs; o++)
      sums[o][r] = lanes_multiply_add(input.first, weights[o].first, sums[o][r]);
  }
}

/// The same with the rounded rows from `row` on.
CK_INLINE void add_rounded(const ck_product *p, tile_sums sums, int64_t output, int64_t row,
                           int64_t k, int64_t left, int outputs, int rows) {
  rounded_pairs weights[CK_SINGLE_ROW_OUTPUTS];
  for (int o = 0; o < outputs; o++) {
    const uint16_t *w = halves_at(p, output + o, k);
    weights[o] = rounded_load(w, left);
    prefetch_next(p, w, outputs);
  }
  for (int r = 0; r < rows; r++) {
    rounded_pairs input = rounded_load(p->halves + (row + r) * p->halves_stride + k, 32);
    for (int o = 0; o < outputs; o++)
      sums[o][r] = rounded_multiply_add(input, weights[o], sums[o][r]);
  }
}

CK_INLINE void store_sums(const ck_product *p, tile_sums sums, int64_t output, int64_t row,
                          int outputs, int rows) {
  for (int r = 0; r < rows; r++) {
    float *y = p->y.elements + (row + r) * p->y.stride + output;
    int o = 0;
    for (; o + 4 <= outputs; o += 4)
      lanes_store_sums(y + o, sums[o][r], sums[o + 1][r], sums[o + 2][r], sums[o + 3][r]);
    for (; o < outputs; o++) y[o] = lanes_sum(sums[o][r]);
  }
}

CK_INLINE void linear_tile(const ck_product *p, int rounded, int64_t output, int64_t row,
                           int outputs, int rows) {
  tile_sums sums;
  for (int o = 0; o < outputs; o++)
    for (int r = 0; r < rows; r++) sums[o][r] = lanes_broadcast(0.0f);
  const float *x = p->x.elements + row * p->x.stride;
  int64_t columns = p->w->columns, span = scale_span(p);
  if (rounded) {
    int64_t k = 0;
    for (; k + 32 <= columns; k += 32) add_rounded(p, sums, output, row, k, 32, outputs, rows);
    if (k < columns) add_rounded(p, sums, output, row, k, columns - k, outputs, rows);
  } else if (p->format == CK_BFLOAT16) {
    int64_t k = 0;
    for (; k + 32 <= columns; k += 32) add_pairs(p, sums, output, x, k, 32, outputs, rows);
    if (k < columns) add_pairs(p, sums, output, x, k, columns - k, outputs, rows);
  } else {
    for (int64_t block = 0; block < columns; block += span) {
      lanes scales[CK_SINGLE_ROW_OUTPUTS];
      for (int o = 0; o < outputs; o++) scales[o] = scale_of(p, p->first + output + o, block);
      int64_t end = block + span < columns ? block + span : columns, k = block;
      for (; k + 16 <= end; k += 16)
        add_group(p, sums, scales, output, x, k, 16, outputs, rows);
      if (k < end) add_group(p, sums, scales, output, x, k, end - k, outputs, rows);
    }
  }
  store_sums(p, sums, output, row, outputs, rows);
}

/// Rows of the next tile when `left` remain: as even as possible, since a tile of one row decodes
/// as many weights as a full one.
CK_INLINE int64_t tile_rows(int64_t left) {
  int64_t tiles = (left + CK_TILE_ROWS - 1) / CK_TILE_ROWS;
  return (left + tiles - 1) / tiles;
}

/// Calls `tile` with its last argument, `rows` (1 to CK_TILE_ROWS), as a constant.
#define CK_FOR_TILE_ROWS(rows, tile, ...)                       \
  switch (rows) {                                               \
    case 1: tile(__VA_ARGS__, 1); break;                        \
    case 2: tile(__VA_ARGS__, 2); break;                        \
    case 3: tile(__VA_ARGS__, CK_TILE_ROWS < 3 ? 1 : 3); break; \
    case 4: tile(__VA_ARGS__, CK_TILE_ROWS < 4 ? 1 : 4); break; \
  }

CK_INLINE void linear_format(const ck_product *p, int rounded, int64_t outputs) {
  int64_t output = 0;
  int wide_rows = rounded ? CK_WIDE_ROUNDED_ROWS : 1;
  while (output < outputs) {
    int64_t left = outputs - output;
    if (p->x.count <= wide_rows && left >= CK_SINGLE_ROW_OUTPUTS) {
      if (p->x.count == 1)
        linear_tile(p, rounded, output, 0, CK_SINGLE_ROW_OUTPUTS, 1);
      else
        linear_tile(p, rounded, output, 0, CK_SINGLE_ROW_OUTPUTS, 2);
      output += CK_SINGLE_ROW_OUTPUTS;
      continue;
    }
    int width = left >= CK_TILE_OUTPUTS ? CK_TILE_OUTPUTS : 1;
    for (int64_t row = 0, rows; row < p->x.count; row += rows) {
      rows = tile_rows(p->x.count - row);
      if (width == 1)
        CK_FOR_TILE_ROWS(rows, linear_tile, p, rounded, output, row, 1)
      else
        CK_FOR_TILE_ROWS(rows, linear_tile, p, rounded, output, row, CK_TILE_OUTPUTS)
    }
    output += width;
  }
}

/// `vectors` groups of 16 columns from `column` for `rows` rows; only the last group may be cut.
CK_INLINE void transposed_tile(const ck_product *p, const float *carry, int64_t column, int64_t row,
                               int vectors, int rows) {
  lanes sums[CK_TILE_OUTPUTS][CK_TILE_ROWS];
  lane_mask masks[CK_TILE_OUTPUTS];
  float *y = p->y.elements + row * p->y.stride;
  for (int v = 0; v < vectors; v++) {
    masks[v] = lanes_mask(p->w->columns - column - v * 16);
    for (int r = 0; r < rows; r++)
      sums[v][r] = carry == NULL
                       ? lanes_broadcast(0.0f)
                       : lanes_multiply(
                           lanes_broadcast(carry[row + r]),
                           lanes_load(y + r * p->y.stride + column + v * 16, masks[v]));
  }
  const float *x = p->x.elements + row * p->x.stride;
  for (int64_t i = 0; i < p->inputs; i++) {
    for (int v = 0; v < vectors; v++) {
      int64_t k = column + v * 16;
      lanes weights = decoded(p, p->first + i, k, masks[v], scale_of(p, p->first + i, k));
      for (int r = 0; r < rows; r++)
        sums[v][r] =
            lanes_multiply_add(lanes_broadcast(x[r * p->x.stride + i]), weights, sums[v][r]);
    }
  }
  for (int v = 0; v < vectors; v++)
    for (int r = 0; r < rows; r++)
      lanes_store(y + r * p->y.stride + column + v * 16, sums[v][r], masks[v]);
}

CK_INLINE void transposed_format(const ck_product *p, const float *carry) {
  int64_t column = 0, columns = p->w->columns;
  while (column < columns) {
    int full = columns - column >= CK_TILE_OUTPUTS * 16;
    for (int64_t row = 0, rows; row < p->x.count; row += rows) {
      rows = tile_rows(p->x.count - row);
      if (full)
        CK_FOR_TILE_ROWS(rows, transposed_tile, p, carry, column, row, CK_TILE_OUTPUTS)
      else
        CK_FOR_TILE_ROWS(rows, transposed_tile, p, carry, column, row, 1)
    }
    column += full ? CK_TILE_OUTPUTS * 16 : 16;
  }
}

/// Calls `body` with a product whose format is a constant, so that decoding is chosen at compile
/// time.
#define CK_FOR_EACH_FORMAT(body)          \
  switch (product.w->format) {            \
    case CK_FLOAT32:                      \
      product.format = CK_FLOAT32;        \
      body;                               \
      break;                              \
    case CK_FLOAT16:                      \
      product.format = CK_FLOAT16;        \
      body;                               \
      break;                              \
    case CK_BFLOAT16:                     \
      product.format = CK_BFLOAT16;       \
      body;                               \
      break;                              \
    case CK_FLOAT8_E4M3:                  \
      product.format = CK_FLOAT8_E4M3;    \
      body;                               \
      break;                              \
  }

void CK_NAME(ck_linear)(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x, ck_rows y) {
  ck_product product = {.w = w, .first = first, .x = x, .y = y};
  CK_FOR_EACH_FORMAT(linear_format(&product, 0, outputs))
}

/// Rounds as many rows at a time as fit a block on the stack. Not inlined, so that nothing moves
/// out of where tiny numbers are zero.
static __attribute__((noinline)) void rounded_product(ck_product p, int64_t outputs) {
  uint16_t block[CK_ROUNDED_COLUMNS];
  ck_rows x = p.x, y = p.y;
  p.format = CK_BFLOAT16;
  p.halves = block;
  p.halves_stride = (p.w->columns + 31) / 32 * 32;
  int64_t most = CK_ROUNDED_COLUMNS / p.halves_stride;
  if (most > CK_TILE_ROWS) most -= most % CK_TILE_ROWS;
  for (int64_t row = 0; row < x.count; row += most) {
    p.x.count = x.count - row < most ? x.count - row : most;
    p.y.elements = y.elements + row * y.stride;
    for (int64_t r = 0; r < p.x.count; r++)
      for (int64_t k = 0; k < p.w->columns; k += 32)
        rounded_store(block + r * p.halves_stride + k, x.elements + (row + r) * x.stride + k,
                      p.w->columns - k);
    linear_format(&p, 1, outputs);
  }
}

void CK_NAME(ck_linear_rounded)(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x,
                                ck_rows y) {
  enum { TINY_INPUTS_AND_RESULTS_ARE_ZERO = 0x8040 };
  unsigned control = _mm_getcsr();
  _mm_setcsr(control | TINY_INPUTS_AND_RESULTS_ARE_ZERO);
  rounded_product((ck_product){.w = w, .first = first, .x = x, .y = y}, outputs);
  _mm_setcsr(control);
}

void CK_NAME(ck_linear_transposed)(const ck_matrix *w, int64_t first, int64_t inputs, ck_rows x,
                                   ck_rows y, const float *carry) {
  ck_product product = {.w = w, .first = first, .inputs = inputs, .x = x, .y = y};
  CK_FOR_EACH_FORMAT(transposed_format(&product, carry))
}
