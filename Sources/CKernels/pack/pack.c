// Rows of a file into panels.

#include "stored.h"

#pragma STDC FP_CONTRACT OFF

ck_stored_size ck_stored_size_of(ck_panel_format format) {
  switch (format) {
    case CK_PANEL_F32: return (ck_stored_size){1, 4};
    case CK_PANEL_F16:
    case CK_PANEL_BF16: return (ck_stored_size){1, 2};
    case CK_PANEL_F8_E4M3: return (ck_stored_size){1, 1};
    case CK_PANEL_Q8_0: return (ck_stored_size){32, 34};
    case CK_PANEL_Q4_0: return (ck_stored_size){32, 18};
    case CK_PANEL_Q5_0: return (ck_stored_size){32, 22};
    case CK_PANEL_Q4_K: return (ck_stored_size){256, 144};
    case CK_PANEL_Q5_K: return (ck_stored_size){256, 176};
    case CK_PANEL_Q6_K: return (ck_stored_size){256, 210};
  }
  __builtin_unreachable();
}

int64_t ck_panel_bytes(ck_panel_format format, int64_t columns, int64_t scale_columns) {
  int64_t size;
  if (format == CK_PANEL_F8_E4M3) {
    int64_t blocks = (columns + scale_columns - 1) / scale_columns;
    size = CK_VECTOR * (blocks + (columns + 3) / 4);
  } else {
    int64_t length = ck_block_columns(format, scale_columns);
    int64_t last = (columns + length - 1) / length - 1;
    size = ck_vectors_offset(format, scale_columns, last) + ck_block_bytes(format, scale_columns);
  }
  return (size + CK_VECTOR - 1) / CK_VECTOR * CK_VECTOR;
}

/// Where the codes of the four columns of a group go, nibbles in pairs of groups.
static void pack_nibbles(const uint8_t *codes, int count, int lane, uint8_t *vectors) {
  for (int k = 0; k < count; k += 8) {
    uint8_t *target = vectors + k / 8 * CK_VECTOR + lane * 4;
    for (int b = 0; b < 4; b++)
      target[b] = (uint8_t)((codes[k + b] & 15) | (codes[k + 4 + b] & 15) << 4);
  }
}

/// Bits from 4 up of `count` codes, `width` of each, groups one above the other.
static void pack_high_bits(const uint8_t *codes, int count, int width, int lane, uint8_t *vector) {
  for (int b = 0; b < 4; b++) {
    int bits = 0;
    for (int g = 0; g < count / 4; g++) bits |= (codes[4 * g + b] >> 4) << (width * g);
    vector[lane * 4 + b] = (uint8_t)bits;
  }
}

static void pack_block(ck_panel_format format, const stored_block *block, int lane,
                       uint8_t *vectors) {
  const uint8_t *codes = block->codes;
  switch (format) {
    case CK_PANEL_Q8_0:
      for (int g = 0; g < 8; g++) memcpy(vectors + g * CK_VECTOR + lane * 4, codes + 4 * g, 4);
      break;
    case CK_PANEL_Q4_0: pack_nibbles(codes, 32, lane, vectors); break;
    case CK_PANEL_Q5_0:
      pack_high_bits(codes, 32, 1, lane, vectors);
      pack_nibbles(codes, 32, lane, vectors + CK_VECTOR);
      break;
    case CK_PANEL_Q4_K:
    case CK_PANEL_Q5_K:
      for (int v = 0; v < 3; v++)
        memcpy(vectors + v * CK_VECTOR + lane * 4, block->packed_factors + 4 * v, 4);
      vectors += 3 * CK_VECTOR;
      for (int j = 0; j < 8; j++) {
        if (format == CK_PANEL_Q5_K) {
          pack_high_bits(codes + 32 * j, 32, 1, lane, vectors);
          vectors += CK_VECTOR;
        }
        pack_nibbles(codes + 32 * j, 32, lane, vectors);
        vectors += 4 * CK_VECTOR;
      }
      break;
    case CK_PANEL_Q6_K:
      for (int j = 0; j < 16; j++) vectors[j * 16 + lane] = (uint8_t)block->factors[j];
      for (int j = 0; j < 16; j++) {
        uint8_t *part = vectors + (4 + 3 * j) * CK_VECTOR;
        pack_high_bits(codes + 16 * j, 16, 2, lane, part);
        pack_nibbles(codes + 16 * j, 16, lane, part + CK_VECTOR);
      }
      break;
    default: __builtin_unreachable();
  }
}

static void pack_quantised_row(ck_panel_format format, const uint8_t *row, int64_t columns,
                               int lane, uint8_t *panel) {
  ck_stored_size size = ck_stored_size_of(format);
  stored_block block = {0};
  for (int64_t b = 0; b < columns / size.columns; b++) {
    stored_read(format, row + b * size.bytes, &block);
    uint8_t *units = panel + ck_units_offset(format, b) + lane * 2;
    memcpy(units, &block.unit, 2);
    if (ck_unit_blocks(format) == 1) memcpy(units + 32, &block.offset_unit, 2);
    pack_block(format, &block, lane, panel + ck_vectors_offset(format, 0, b));
  }
}

/// The factors that row `row` of the stored rows has.
static const float *factors_of(const ck_stored_rows *rows, int64_t row) {
  return rows->scales + (rows->scale_skip + row) / rows->scale_rows * rows->scale_stride;
}

static void pack_float8_row(const ck_stored_rows *rows, int64_t row, uint8_t *panel) {
  int64_t length = rows->scale_columns, bytes = ck_block_bytes(CK_PANEL_F8_E4M3, length);
  const uint8_t *codes = rows->bytes + row * rows->row_bytes;
  const float *factors = factors_of(rows, row);
  for (int64_t k = 0; k < rows->columns; k++) {
    uint8_t *vectors = panel + k / length * bytes;
    if (k % length == 0) memcpy(vectors + row * 4, (const char *)factors + k / length * 4, 4);
    vectors[(1 + k % length / 4) * CK_VECTOR + row * 4 + k % 4] = codes[k];
  }
}

void ck_pack_panel(ck_panel_format format, ck_stored_rows rows, uint8_t *panel) {
  memset(panel, 0, (size_t)ck_panel_bytes(format, rows.columns, rows.scale_columns));
  for (int64_t row = 0; row < rows.rows; row++) {
    const uint8_t *source = rows.bytes + row * rows.row_bytes;
    switch (format) {
      case CK_PANEL_F32:
        for (int64_t k = 0; k < rows.columns; k++)
          memcpy(panel + k * CK_VECTOR + row * 4, source + k * 4, 4);
        break;
      case CK_PANEL_F16:
        for (int64_t k = 0; k < rows.columns; k++)
          memcpy(panel + k * CK_VECTOR / 2 + row * 2, source + k * 2, 2);
        break;
      case CK_PANEL_BF16:
        for (int64_t k = 0; k < rows.columns; k++)
          memcpy(panel + k / 2 * CK_VECTOR + row * 4 + k % 2 * 2, source + k * 2, 2);
        break;
      case CK_PANEL_F8_E4M3: pack_float8_row(&rows, row, panel); break;
      default: pack_quantised_row(format, source, rows.columns, (int)row, panel);
    }
  }
}

void ck_decode_stored(ck_panel_format format, const ck_stored_rows *rows, int64_t row, float *y) {
  const uint8_t *source = rows->bytes + row * rows->row_bytes;
  switch (format) {
    case CK_PANEL_F32: memcpy(y, source, (size_t)rows->columns * 4); return;
    case CK_PANEL_F16:
      for (int64_t k = 0; k < rows->columns; k++)
        y[k] = ck_decode_float16(ck_load16(source + k * 2));
      return;
    case CK_PANEL_BF16:
      for (int64_t k = 0; k < rows->columns; k++)
        y[k] = ck_float_of_bits((uint32_t)ck_load16(source + k * 2) << 16);
      return;
    case CK_PANEL_F8_E4M3:
      for (int64_t k = 0; k < rows->columns; k++)
        y[k] = ck_decode_float8(source[k]) *
               ck_load_float((const uint8_t *)factors_of(rows, row) + k / rows->scale_columns * 4);
      return;
    default: break;
  }
  // A panel of this one row, and the weights that the products see in it.
  ck_stored_size size = ck_stored_size_of(format);
  uint8_t panel[CK_VECTOR * (4 + 16 * 3)];
  for (int64_t b = 0; b < rows->columns / size.columns; b++) {
    stored_block block = {0};
    stored_read(format, source + b * size.bytes, &block);
    uint16_t units[2 * CK_PANEL_ROWS] = {block.unit};
    units[CK_PANEL_ROWS] = block.offset_unit;
    pack_block(format, &block, 0, panel);
    ck_block view = {.format = format, .units = (uint8_t *)units, .vectors = panel};
    for (int64_t k = 0; k < size.columns; k++) y[b * size.columns + k] = ck_weight(view, 0, k);
  }
}

void ck_store_row(ck_panel_format format, const float *x, int64_t count, uint8_t *y) {
  switch (format) {
    case CK_PANEL_F32: memcpy(y, x, (size_t)count * 4); break;
    case CK_PANEL_BF16: ck_encode_bfloat16(x, count, (uint16_t *)(void *)y); break;
    default: __builtin_unreachable();
  }
}
