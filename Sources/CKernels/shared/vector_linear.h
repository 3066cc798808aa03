// Both matrix products over the 16-lane vectors of one tier. Included once per tier, after its
// lanes header, which defines `lanes`, CK_TILE_OUTPUTS, CK_TILE_ROWS and CK_SINGLE_ROW_OUTPUTS.
//
// A tile of outputs x rows keeps its accumulators in registers and decodes each weight once for all
// rows of the tile. Which tile an element falls into does not change its bits: each accumulator
// sees the same fused multiply-adds in the same order.

typedef struct {
  const ck_matrix *w;
  ck_format format;
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

CK_INLINE void linear_tile(const ck_product *p, int64_t output, int64_t row, int outputs,
                           int rows) {
  lanes sums[CK_SINGLE_ROW_OUTPUTS][CK_TILE_ROWS];
  for (int o = 0; o < outputs; o++)
    for (int r = 0; r < rows; r++) sums[o][r] = lanes_broadcast(0.0f);
  const float *x = p->x.elements + row * p->x.stride;
  int64_t columns = p->w->columns, span = scale_span(p);
  for (int64_t block = 0; block < columns; block += span) {
    lanes scales[CK_SINGLE_ROW_OUTPUTS];
    for (int o = 0; o < outputs; o++) scales[o] = scale_of(p, p->first + output + o, block);
    int64_t end = block + span < columns ? block + span : columns;
    for (int64_t k = block; k < end; k += 16) {
      lane_mask mask = lanes_mask(end - k);
      lanes weights[CK_SINGLE_ROW_OUTPUTS];
      for (int o = 0; o < outputs; o++)
        weights[o] = decoded(p, p->first + output + o, k, mask, scales[o]);
      for (int r = 0; r < rows; r++) {
        lanes input = lanes_load(x + r * p->x.stride + k, mask);
        for (int o = 0; o < outputs; o++)
          sums[o][r] = lanes_multiply_add(input, weights[o], sums[o][r]);
      }
    }
  }
  for (int o = 0; o < outputs; o++)
    for (int r = 0; r < rows; r++)
      p->y.elements[(row + r) * p->y.stride + output + o] = lanes_sum(sums[o][r]);
}

CK_INLINE void linear_format(const ck_product *p, int64_t outputs) {
  int64_t output = 0;
  while (output < outputs) {
    int64_t left = outputs - output, row = 0;
    int width = left >= CK_TILE_OUTPUTS ? CK_TILE_OUTPUTS : 1;
    if (p->x.count == 1 && left >= CK_SINGLE_ROW_OUTPUTS) {
      linear_tile(p, output, 0, CK_SINGLE_ROW_OUTPUTS, 1);
      output += CK_SINGLE_ROW_OUTPUTS;
      continue;
    }
    for (; row + CK_TILE_ROWS <= p->x.count; row += CK_TILE_ROWS) {
      if (width == CK_TILE_OUTPUTS)
        linear_tile(p, output, row, CK_TILE_OUTPUTS, CK_TILE_ROWS);
      else
        linear_tile(p, output, row, 1, CK_TILE_ROWS);
    }
    for (; row < p->x.count; row++) {
      if (width == CK_TILE_OUTPUTS)
        linear_tile(p, output, row, CK_TILE_OUTPUTS, 1);
      else
        linear_tile(p, output, row, 1, 1);
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
    int64_t row = 0;
    for (; row + CK_TILE_ROWS <= p->x.count; row += CK_TILE_ROWS) {
      if (full)
        transposed_tile(p, carry, column, row, CK_TILE_OUTPUTS, CK_TILE_ROWS);
      else
        transposed_tile(p, carry, column, row, 1, CK_TILE_ROWS);
    }
    for (; row < p->x.count; row++) {
      if (full)
        transposed_tile(p, carry, column, row, CK_TILE_OUTPUTS, 1);
      else
        transposed_tile(p, carry, column, row, 1, 1);
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
  CK_FOR_EACH_FORMAT(linear_format(&product, outputs))
}

void CK_NAME(ck_linear_transposed)(const ck_matrix *w, int64_t first, int64_t inputs, ck_rows x,
                                   ck_rows y, const float *carry) {
  ck_product product = {.w = w, .first = first, .inputs = inputs, .x = x, .y = y};
  CK_FOR_EACH_FORMAT(transposed_format(&product, carry))
}
