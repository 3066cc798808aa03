// Products of float32 inputs with panels of any format, over the lanes of one tier: weights become
// float32 a chunk of columns at a time, once for all rows of a tile.

/// Columns that are decoded at a time: a whole block of any quantised format.
enum { FLOAT_CHUNK = 256 };

/// Four columns of codes, less `zero`, times a scale, less an offset.
CK_INLINE void decode_codes(ints codes, int32_t zero, lanes scale, int has_offset, lanes offset,
                            lanes *weights) {
  for (int b = 0; b < 4; b++) {
    ints code = ints_subtract(ints_and(ints_right(codes, 8 * b), 0xFF), zero);
    lanes weight = lanes_multiply(lanes_of_ints(code), scale);
    weights[b] = has_offset ? lanes_subtract(weight, offset) : weight;
  }
}

/// `count` groups of nibbles with `high_width` bits above them.
CK_INLINE void decode_nibbles(const uint8_t *vectors, int high_width, int count, int32_t zero,
                              lanes scale, int has_offset, lanes offset, lanes *weights) {
  ints high = high_width > 0 ? ints_load(vectors) : ints_zero();
  int32_t mask = high_width == 1 ? 0x10101010 : 0x30303030;
  if (high_width > 0) vectors += CK_VECTOR;
  for (int pair = 0; pair < count / 2; pair++) {
    group_pair codes = nibbles(vectors + pair * CK_VECTOR, 0);
    if (high_width > 0) {
      codes.first = with_high_bits(codes.first, high, 2 * pair * high_width, mask);
      codes.second = with_high_bits(codes.second, high, (2 * pair + 1) * high_width, mask);
    }
    decode_codes(codes.first, zero, scale, has_offset, offset, weights + 8 * pair);
    decode_codes(codes.second, zero, scale, has_offset, offset, weights + 8 * pair + 4);
  }
}

CK_INLINE void decode_offset_block(ck_panel_format format, const uint8_t *units,
                                   const uint8_t *vectors, lanes *weights) {
  part_factors parts = unpack_factors(vectors, 0);
  lanes unit = lanes_of_halves(units), offset_unit = lanes_of_halves(units + 32);
  int high_width = format == CK_PANEL_Q5_K ? 1 : 0;
  vectors += 3 * CK_VECTOR;
  for (int part = 0; part < 8; part++) {
    int shift = 8 * (part % 4);
    ints factor = ints_and(ints_right_by(parts.factors[part / 4], shift), 0xFF);
    ints offset = ints_and(ints_right_by(parts.offsets[part / 4], shift), 0xFF);
    decode_nibbles(vectors, high_width, 8, 0, lanes_multiply(unit, lanes_of_ints(factor)), 1,
                   lanes_multiply(offset_unit, lanes_of_ints(offset)), weights + 32 * part);
    vectors += (4 + high_width) * CK_VECTOR;
  }
}

/// One block of a quantised format.
CK_INLINE void decode_block(ck_panel_format format, const uint8_t *units, const uint8_t *vectors,
                            lanes *weights) {
  lanes unit = lanes_of_halves(units), none = lanes_broadcast(0.0f);
  switch (format) {
    case CK_PANEL_Q8_0:
      for (int g = 0; g < 8; g++)
        decode_codes(ints_load(vectors + g * CK_VECTOR), 128, unit, 0, none, weights + 4 * g);
      break;
    case CK_PANEL_Q4_0: decode_nibbles(vectors, 0, 8, 8, unit, 0, none, weights); break;
    case CK_PANEL_Q5_0: decode_nibbles(vectors, 1, 8, 16, unit, 0, none, weights); break;
    case CK_PANEL_Q6_K:
      for (int part = 0; part < 16; part++) {
        lanes factor = lanes_of_ints(ints_of_bytes(vectors + part * 16));
        decode_nibbles(vectors + (4 + 3 * part) * CK_VECTOR, 2, 4, 32,
                       lanes_multiply(unit, factor), 0, none, weights + 16 * part);
      }
      break;
    default: decode_offset_block(format, units, vectors, weights);
  }
}

/// The float formats but F32, `count` columns from `first` on.
CK_INLINE void decode_floats(const ck_panels *w, const uint8_t *panel, int64_t first, int64_t count,
                             lanes *weights) {
  int64_t length = w->scale_columns, bytes = ck_block_bytes(CK_PANEL_F8_E4M3, length);
  switch (w->format) {
    case CK_PANEL_F16:
      for (int64_t k = 0; k < count; k++)
        weights[k] = lanes_of_halves(panel + (first + k) * CK_VECTOR / 2);
      break;
    case CK_PANEL_BF16:
      for (int64_t k = 0; k < count; k += 2) {
        ints pair = ints_load(panel + (first + k) / 2 * CK_VECTOR);
        weights[k] = lanes_of_bits(ints_left(pair, 16));
        weights[k + 1] = lanes_of_bits(ints_and(pair, (int32_t)0xFFFF0000));
      }
      break;
    default:
      for (int64_t k = 0; k < count; k += 4) {
        const uint8_t *block = panel + (first + k) / length * bytes;
        lanes factor = lanes_load((const float *)(const void *)block, lanes_mask(16));
        ints codes = ints_load(block + (1 + (first + k) % length / 4) * CK_VECTOR);
        for (int b = 0; b < 4; b++)
          weights[k + b] = lanes_multiply(
              lanes_of_float8(ints_and(ints_right_by(codes, 8 * b), 0xFF)), factor);
      }
  }
}

/// Decodes a chunk; there is room for four columns more than exist.
static __attribute__((noinline)) void CK_NAME(decode_chunk)(const ck_panels *w,
                                                            const uint8_t *panel, int64_t first,
                                                            int64_t count, lanes *weights) {
  if (w->format < CK_PANEL_Q8_0) return decode_floats(w, panel, first, count, weights);
  int64_t length = ck_block_columns(w->format, 0);
  for (int64_t k = 0; k < count; k += length) {
    int64_t block = (first + k) / length;
    const uint8_t *units = panel + ck_units_offset(w->format, block);
    const uint8_t *vectors = panel + ck_vectors_offset(w->format, 0, block);
    switch (w->format) {
#define CK_DECODE(format) \
  case format: decode_block(format, units, vectors, weights + k); break;
      CK_DECODE(CK_PANEL_Q8_0)
      CK_DECODE(CK_PANEL_Q4_0)
      CK_DECODE(CK_PANEL_Q5_0)
      CK_DECODE(CK_PANEL_Q4_K)
      CK_DECODE(CK_PANEL_Q5_K)
      CK_DECODE(CK_PANEL_Q6_K)
#undef CK_DECODE
      default: __builtin_unreachable();
    }
  }
}

CK_INLINE void add_float_products(const lanes *weights, const float *x, int64_t stride,
                                  int64_t count, lanes *totals, int rows) {
  lanes sums[CK_FLOAT_TILE_ROWS];
  for (int r = 0; r < rows; r++) sums[r] = totals[r];
  for (int64_t k = 0; k < count; k++)
    for (int r = 0; r < rows; r++)
      sums[r] = lanes_multiply_add(lanes_broadcast(x[r * stride + k]), weights[k], sums[r]);
  for (int r = 0; r < rows; r++) totals[r] = sums[r];
}

static void float_tile(const ck_panels *w, const uint8_t *panel, const float *x, int64_t stride,
                       lanes *totals, int rows) {
  lanes decoded[FLOAT_CHUNK + 4];
  for (int r = 0; r < rows; r++) totals[r] = lanes_broadcast(0.0f);
  // F32 is in memory what chunks of other formats become.
  int64_t chunk = w->format == CK_PANEL_F32 ? w->columns : FLOAT_CHUNK;
  for (int64_t k = 0; k < w->columns; k += chunk) {
    int64_t count = w->columns - k < chunk ? w->columns - k : chunk;
    const lanes *weights = (const lanes *)(const void *)panel;
    if (w->format != CK_PANEL_F32) {
      CK_NAME(decode_chunk)(w, panel, k, count, decoded);
      weights = decoded;
    }
    switch (rows) {
      CK_FLOAT_TILE_CASES(add_float_products, weights, x + k, stride, count, totals)
      default: __builtin_unreachable();
    }
  }
}

void CK_NAME(ck_product_float32)(const ck_panels *w, int64_t first, int64_t panels,
                                 const ck_inputs *x, ck_rows y) {
  int64_t stride = x->value_stride / (int64_t)sizeof(float);
  for (int64_t p = 0; p < panels; p++)
    for (int64_t row = 0, rows; row < x->count; row += rows) {
      rows = tile_rows(x->count - row, CK_FLOAT_TILE_ROWS);
      lanes totals[CK_FLOAT_TILE_ROWS];
      const float *inputs = (const float *)(const void *)(x->values + row * x->value_stride);
      float_tile(w, w->bytes + (first + p) * w->panel_bytes, inputs, stride, totals, (int)rows);
      ck_rows target = {y.elements + row * y.stride + p * CK_PANEL_ROWS, rows, y.stride};
      store_totals(w, first + p, totals, target, (int)rows);
    }
}
