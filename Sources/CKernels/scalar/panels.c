// The definition of the products with panels, and the fallback for processors without a faster
// tier.

#include <math.h>

#include "../shared/panel.h"
#include "../shared/panel_tiers.h"

/// One output of a product: row `r` of the inputs with the weights of one lane.
typedef float (*lane_sum)(const ck_panels *w, int64_t panel, int lane, const ck_inputs *x,
                          int64_t r);

static void for_each_output(const ck_panels *w, int64_t first, int64_t panels, const ck_inputs *x,
                            ck_rows y, lane_sum sum) {
  for (int64_t p = 0; p < panels; p++)
    for (int lane = 0; lane < CK_PANEL_ROWS && (first + p) * CK_PANEL_ROWS + lane < w->rows; lane++)
      for (int64_t r = 0; r < x->count; r++)
        y.elements[r * y.stride + p * CK_PANEL_ROWS + lane] = sum(w, first + p, lane, x, r);
}

static float sum_float32(const ck_panels *w, int64_t panel, int lane, const ck_inputs *x,
                         int64_t r) {
  int64_t length = ck_block_columns(w->format, w->scale_columns);
  float sum = 0;
  for (int64_t k = 0; k < w->columns; k++) {
    ck_block block = ck_block_at(w, panel, k / length);
    float input = ck_load_float(x->values + r * x->value_stride + k * 4);
    sum = fmaf(input, ck_weight(block, lane, k % length), sum);
  }
  return sum;
}

static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x; }

/// A weight as bfloat16, without the factor of its block.
static float bfloat16_weight(ck_block block, int lane, int64_t k) {
  return block.format == CK_PANEL_BF16
             ? ck_weight(block, lane, k)
             : ck_decode_float8((uint8_t)ck_lane_byte(block.vectors, 1 + k / 4, lane, k % 4));
}

static float add_rounded(const ck_panels *w, int64_t panel, int lane, const ck_inputs *x, int64_t r,
                         int64_t k, float sum) {
  // The zero that pads an odd number of columns.
  if (k >= w->columns) return sum + 0.0f;
  int64_t length = ck_block_columns(w->format, w->scale_columns);
  ck_block block = ck_block_at(w, panel, k / length);
  uint32_t bits = (uint32_t)ck_load16(x->values + r * x->value_stride + k * 2) << 16;
  float weight = flushed(bfloat16_weight(block, lane, k % length));
  return flushed(fmaf(flushed(ck_float_of_bits(bits)), weight, sum));
}

static float sum_bfloat16(const ck_panels *w, int64_t panel, int lane, const ck_inputs *x,
                          int64_t r) {
  int64_t length = w->format == CK_PANEL_BF16 ? w->columns : w->scale_columns;
  float total = 0;
  for (int64_t start = 0; start < w->columns; start += length) {
    float sum = 0;
    for (int64_t k = start; k < start + length && k < w->columns; k += 2) {
      if (k + 1 < start + length) sum = add_rounded(w, panel, lane, x, r, k + 1, sum);
      sum = add_rounded(w, panel, lane, x, r, k, sum);
    }
    if (w->format == CK_PANEL_BF16) return sum;
    const uint8_t *factors = ck_block_at(w, panel, start / length).vectors;
    total = fmaf(sum, ck_load_float(factors + lane * 4), total);
  }
  return total;
}

static float sum_int8_32(const ck_panels *w, int64_t panel, int lane, const ck_inputs *x,
                         int64_t r) {
  const int8_t *input = (const int8_t *)x->values + r * x->value_stride;
  float sum = 0;
  for (int64_t b = 0; b < w->columns / 32; b++) {
    ck_block block = ck_block_at(w, panel, b);
    int32_t products = 0;
    for (int64_t k = 0; k < 32; k++)
      products += (ck_code(block, lane, k) - ck_zero_code(w->format)) * input[b * 32 + k];
    float unit = ck_unit(block, lane, 0) * x->scales[r * x->scale_stride + b];
    sum = fmaf((float)products, unit, sum);
  }
  return sum;
}

static float sum_int8_256(const ck_panels *w, int64_t panel, int lane, const ck_inputs *x,
                          int64_t r) {
  const int8_t *input = (const int8_t *)x->values + r * x->value_stride;
  float sum = 0;
  for (int64_t b = 0; b < w->columns / 256; b++) {
    ck_block block = ck_block_at(w, panel, b);
    int32_t products = 0, offsets = 0;
    for (int64_t k = 0; k < 256; k++) {
      int factor, offset, q = input[b * 256 + k];
      ck_part_factors(block, lane, k, &factor, &offset);
      products += factor * (ck_code(block, lane, k) - ck_zero_code(w->format)) * q;
      offsets += offset * q;
    }
    float scale = x->scales[r * x->scale_stride + b];
    sum = fmaf((float)products, ck_unit(block, lane, 0) * scale, sum);
    if (w->format != CK_PANEL_Q6_K)
      sum = fmaf(-(float)offsets, ck_unit(block, lane, 1) * scale, sum);
  }
  return sum;
}

#define CK_SCALAR_PRODUCT(encoding)                                                             \
  void ck_product_##encoding##_scalar(const ck_panels *w, int64_t first, int64_t panels,        \
                                      const ck_inputs *x, ck_rows y) {                       \
    for_each_output(w, first, panels, x, y, sum_##encoding);                                    \
  }

CK_SCALAR_PRODUCT(float32)
CK_SCALAR_PRODUCT(bfloat16)
CK_SCALAR_PRODUCT(int8_32)
CK_SCALAR_PRODUCT(int8_256)

static void encode_int8(const float *x, int64_t width, int64_t length, int zero, ck_inputs y,
                        int64_t r) {
  int8_t *values = (int8_t *)y.values + r * y.value_stride;
  for (int64_t b = 0; b < width / length; b++) {
    float highest = 0;
    for (int64_t k = b * length; k < (b + 1) * length; k++)
      if (fabsf(x[k]) > highest) highest = fabsf(x[k]);
    // What is not finite must not trap, whatever it gives.
    float inverse = highest > 0 ? 127.0f / highest : 0.0f;
    y.scales[r * y.scale_stride + b] = highest / 127.0f;
    for (int64_t part = b * length; part < (b + 1) * length; part += 16) {
      int32_t sum = 0;
      for (int64_t k = part; k < part + 16; k++) {
        float q = rintf(x[k] * inverse);
        values[k] = q >= -127.0f && q <= 127.0f ? (int8_t)q : 0;
        sum += values[k];
      }
      int32_t *starts = y.starts + r * y.start_stride;
      if (length == 256) {
        starts[part / 16] = -32 * sum;
        int16_t *sums = y.sums + r * y.sum_stride + ck_sum_place(part / 32);
        *sums = (int16_t)(part % 32 == 0 ? sum : *sums + sum);
      } else {
        starts[b] = (part % 32 == 0 ? 0 : starts[b]) - zero * sum;
      }
    }
  }
}

void ck_encode_scalar(ck_rows x, int64_t width, ck_input_encoding encoding,
                      ck_panel_format format, ck_inputs y) {
  for (int64_t r = 0; r < x.count; r++) {
    const float *row = x.elements + r * x.stride;
    uint8_t *values = y.values + r * y.value_stride;
    switch (encoding) {
      case CK_INPUT_F32: memcpy(values, row, (size_t)width * sizeof *row); break;
      case CK_INPUT_BF16:
        for (int64_t k = 0; k < width; k++) {
          float flat = flushed(row[k]);
          ck_encode_bfloat16(&flat, 1, (uint16_t *)(void *)values + k);
        }
        if (width % 2 != 0) memset(values + width * 2, 0, 2);
        break;
      case CK_INPUT_INT8_32: encode_int8(row, width, 32, ck_zero_code(format), y, r); break;
      case CK_INPUT_INT8_256: encode_int8(row, width, 256, 0, y, r); break;
    }
  }
}
