// Products of every format, and the encoding of their inputs.

#include "cases.h"
#include "panels.h"

static const ck_panel_kernels *scalar(void) { return ck_panel_kernels_of(CK_SCALAR); }

static ck_panel_product product_of(const ck_panel_kernels *kernels, ck_input_encoding encoding) {
  switch (encoding) {
    case CK_INPUT_F32: return kernels->product_float32;
    case CK_INPUT_BF16: return kernels->product_bfloat16;
    case CK_INPUT_INT8_32: return kernels->product_int8_32;
    case CK_INPUT_INT8_256: return kernels->product_int8_256;
  }
  __builtin_unreachable();
}

/// Encodes with both tiers, compares all arrays with what lies between their rows, and returns the
/// definition's.
static ck_inputs try_encoding(const ck_panel_kernels *tier, float_rows rows, int64_t width,
                              ck_input_encoding encoding, ck_panel_format format) {
  encoded_rows x = encoded_make(encoding, rows.count, width), other = encoded_like(x);
  ck_inputs *y = &x.inputs, *z = &other.inputs;
  ck_rows source = {rows.elements, rows.count, rows.stride};
  scalar()->encode(source, width, encoding, format, *y);
  tier->encode(source, width, encoding, format, *z);
  int64_t last = rows.count - 1;
  int64_t values = last * y->value_stride + x.value_bytes;
  int64_t starts = (last * y->start_stride + x.start_count) * 4;
  int64_t sums = (last * y->sum_stride + x.sum_count) * 2;
  int64_t scales = last * y->scale_stride + x.scale_count;
  expect_same_bytes("encoded byte", y->values, z->values, values);
  expect_same_bytes("byte of the starts", y->starts, z->starts, starts);
  expect_same_bytes("byte of the sums", y->sums, z->sums, sums);
  expect_same_floats("scale", y->scales, z->scales, scales);
  digest_bytes(y->values, values);
  digest_floats(y->scales, scales);
  return *y;
}

/// A random range of panels of one matrix, with rows in one encoding.
static void try_product(const ck_panel_kernels *tier, const ck_panels *w, float_rows rows,
                        ck_input_encoding encoding) {
  ck_inputs x = try_encoding(tier, rows, w->columns, encoding, w->format);
  int64_t last = (w->rows + CK_PANEL_ROWS - 1) / CK_PANEL_ROWS - 1;
  int64_t first = random_between(0, last), panels = random_between(1, last - first + 1);
  int64_t left = w->rows - first * CK_PANEL_ROWS;
  int64_t outputs = left < panels * CK_PANEL_ROWS ? left : panels * CK_PANEL_ROWS;
  // What lies between the rows of outputs is compared too: nothing may be written there.
  int64_t stride = outputs + random_between(0, 20), size = (rows.count - 1) * stride + outputs;
  ck_rows expected = {guarded(size * 4), rows.count, stride};
  ck_rows actual = {guarded(size * 4), rows.count, stride};
  product_of(scalar(), encoding)(w, first, panels, &x, expected);
  product_of(tier, encoding)(w, first, panels, &x, actual);
  expect_same_floats("output", expected.elements, actual.elements, size);
  digest_floats(expected.elements, size);
}

void try_products(const ck_panel_kernels *tier) {
  for (int format = CK_PANEL_F32; format <= CK_PANEL_Q6_K; format++)
    for (int64_t step = 1; step <= 24; step++) {
      int64_t count = step <= 17 ? step : random_between(18, 70);
      int64_t length = block_columns((ck_panel_format)format);
      int64_t columns = length == 1 ? random_between(1, 530) : random_between(1, 600) / length;
      columns = length == 1 ? columns : (columns + 1) * length;
      int64_t outputs = random_between(1, 40);
      describe("format %d, %lld rows, %lld outputs, %lld columns", format, (long long)count,
               (long long)outputs, (long long)columns);
      ck_panels w = random_panels((ck_panel_format)format, outputs, columns);
      number_kind kind = count % 4 == 3 ? SPECIAL : count % 4 == 2 ? HALVES : ORDINARY;
      float_rows rows = random_rows(count, columns, kind);
      try_product(tier, &w, rows, CK_INPUT_F32);
      ck_input_encoding native = native_encoding((ck_panel_format)format);
      if (native != CK_INPUT_F32) try_product(tier, &w, rows, native);
      release_all();
    }
}

void try_every_value(const ck_panel_kernels *tier) {
  static const ck_panel_format formats[] = {CK_PANEL_F16, CK_PANEL_BF16, CK_PANEL_F8_E4M3};
  for (int f = 0; f < 3; f++) {
    ck_panel_format format = formats[f];
    int64_t size = format == CK_PANEL_F8_E4M3 ? 1 : 2, count = (int64_t)1 << (8 * size);
    int64_t panel_bytes = ck_panel_bytes(format, 1, 4);
    describe("every value of format %d", (int)format);
    uint8_t *stored = guarded(count * size);
    for (int64_t i = 0; i < count * size; i++) stored[i] = (uint8_t)(i / size >> (8 * (i % size)));
    uint8_t *bytes = guarded(count / CK_PANEL_ROWS * panel_bytes);
    float factor = 1.7f, one = 1;
    for (int64_t p = 0; p < count / CK_PANEL_ROWS; p++) {
      ck_stored_rows some = {stored + p * CK_PANEL_ROWS * size, size, CK_PANEL_ROWS, 1, &factor, 0,
                             CK_PANEL_ROWS, 0, 4};
      ck_pack_panel(format, some, bytes + p * panel_bytes);
    }
    ck_panels w = {bytes, count, 1, panel_bytes, format == CK_PANEL_F8_E4M3 ? 4 : 0, format};
    ck_inputs x = {.values = (uint8_t *)&one, .count = 1, .value_stride = 4};
    ck_rows expected = {guarded(count * 4), 1, count}, actual = {guarded(count * 4), 1, count};
    scalar()->product_float32(&w, 0, count / CK_PANEL_ROWS, &x, expected);
    tier->product_float32(&w, 0, count / CK_PANEL_ROWS, &x, actual);
    expect_same_floats("value", expected.elements, actual.elements, count);
    digest_floats(expected.elements, count);
    release_all();
  }
}
