// Random matrices in panels, and inputs for products with them.

#include "panels.h"

#include <string.h>

int64_t block_columns(ck_panel_format format) {
  return format < CK_PANEL_Q8_0 ? 1 : format < CK_PANEL_Q4_K ? 32 : 256;
}

ck_input_encoding native_encoding(ck_panel_format format) {
  switch (format) {
    case CK_PANEL_F32:
    case CK_PANEL_F16: return CK_INPUT_F32;
    case CK_PANEL_BF16:
    case CK_PANEL_F8_E4M3: return CK_INPUT_BF16;
    default: return block_columns(format) == 32 ? CK_INPUT_INT8_32 : CK_INPUT_INT8_256;
  }
}

/// Bytes of a block in a file.
static int64_t stored_bytes(ck_panel_format format) {
  static const int64_t bytes[] = {4, 2, 2, 1, 34, 18, 22, 144, 176, 210};
  return bytes[format];
}

/// Sign, exponents from the subnormals up to below 1, any mantissa.
static void random_half(uint8_t *y) {
  uint16_t half = (uint16_t)(random_between(0, 0x3BFF) | random_between(0, 1) << 15);
  memcpy(y, &half, sizeof half);
}

static void random_block(ck_panel_format format, uint8_t *y) {
  float number = random_float(1);
  uint8_t bytes[4];
  switch (format) {
    case CK_PANEL_F32: memcpy(y, &number, sizeof number); break;
    case CK_PANEL_F16: random_half(y); break;
    case CK_PANEL_BF16:
      memcpy(bytes, &number, sizeof number);
      memcpy(y, bytes + 2, 2);
      break;
    case CK_PANEL_F8_E4M3:
      *y = (uint8_t)(random_between(0, 0x7E) | random_between(0, 1) << 7);
      break;
    default:
      for (int64_t i = 0; i < stored_bytes(format); i++) y[i] = (uint8_t)random_between(0, 255);
      random_half(format == CK_PANEL_Q6_K ? y + 208 : y);
      if (format == CK_PANEL_Q4_K || format == CK_PANEL_Q5_K) random_half(y + 2);
  }
}

ck_panels random_panels(ck_panel_format format, int64_t rows, int64_t columns) {
  static const int64_t lengths[] = {4, 12, 32, 128};
  int64_t scale_columns = format == CK_PANEL_F8_E4M3 ? lengths[random_between(0, 3)] : 0;
  int64_t blocks = columns / block_columns(format), size = stored_bytes(format);
  uint8_t *stored = guarded(rows * blocks * size);
  for (int64_t b = 0; b < rows * blocks; b++) random_block(format, stored + b * size);
  int64_t scales = scale_columns > 0 ? (columns + scale_columns - 1) / scale_columns : 1;
  float_rows factors = random_rows(rows, scales, ORDINARY);
  int64_t panels = (rows + CK_PANEL_ROWS - 1) / CK_PANEL_ROWS;
  int64_t panel_bytes = ck_panel_bytes(format, columns, scale_columns);
  uint8_t *bytes = guarded(panels * panel_bytes);
  for (int64_t p = 0; p < panels; p++) {
    int64_t first = p * CK_PANEL_ROWS, left = rows - first;
    ck_stored_rows some = {.bytes = stored + first * blocks * size,
                           .row_bytes = blocks * size,
                           .rows = left < CK_PANEL_ROWS ? left : CK_PANEL_ROWS,
                           .columns = columns,
                           .scales = factors.elements + first * factors.stride,
                           .scale_stride = factors.stride,
                           .scale_rows = 1,
                           .scale_columns = scale_columns};
    ck_pack_panel(format, some, bytes + p * panel_bytes);
  }
  return (ck_panels){bytes, rows, columns, panel_bytes, scale_columns, format};
}

/// Guarded memory for the arrays of `count` rows with the strides of `x`.
static void allocate(encoded_rows *x) {
  ck_inputs *y = &x->inputs;
  int64_t last = y->count - 1;
  y->values = guarded(last * y->value_stride + x->value_bytes);
  y->scales = guarded((last * y->scale_stride + x->scale_count) * 4);
  y->starts = guarded((last * y->start_stride + x->start_count) * 4);
  y->sums = guarded((last * y->sum_stride + x->sum_count) * 2);
}

encoded_rows encoded_make(ck_input_encoding encoding, int64_t count, int64_t width) {
  encoded_rows x = {.inputs = {.count = count}};
  switch (encoding) {
    case CK_INPUT_F32: x.value_bytes = width * 4; break;
    case CK_INPUT_BF16: x.value_bytes = (width + 1) / 2 * 4; break;
    case CK_INPUT_INT8_32:
      x.value_bytes = width;
      x.scale_count = x.start_count = width / 32;
      break;
    case CK_INPUT_INT8_256:
      x.value_bytes = width;
      x.scale_count = width / 256;
      x.start_count = width / 16;
      x.sum_count = width / 32;
  }
  x.inputs.value_stride = x.value_bytes + 4 * random_between(0, 5);
  x.inputs.scale_stride = x.scale_count + random_between(0, 3);
  x.inputs.start_stride = x.start_count + random_between(0, 3);
  x.inputs.sum_stride = x.sum_count + random_between(0, 3);
  allocate(&x);
  return x;
}

encoded_rows encoded_like(encoded_rows x) {
  allocate(&x);
  return x;
}
