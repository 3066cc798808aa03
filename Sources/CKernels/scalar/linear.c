// The definition of both matrix products, and the fallback for processors without a faster tier.

#include <math.h>
#include <stddef.h>

#include "../shared/decode.h"
#include "../shared/tiers.h"
#include "lanes.h"

/// One element's part in a sum over an inner dimension.
static void add_product(const ck_matrix *w, int64_t row, int64_t k, const float *input,
                        float *lane) {
  if (k < w->columns) *lane = fmaf(input[k], ck_decode(w, row, k), *lane);
}

void ck_linear_scalar(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x, ck_rows y) {
  for (int64_t r = 0; r < x.count; r++) {
    const float *input = x.elements + r * x.stride;
    for (int64_t o = 0; o < outputs; o++) {
      float lanes[CK_LANES] = {0};
      if (w->format == CK_BFLOAT16) {
        for (int64_t k = 0; k < w->columns; k += 2) {
          add_product(w, first + o, k + 1, input, &lanes[k / 2 % CK_LANES]);
          add_product(w, first + o, k, input, &lanes[k / 2 % CK_LANES]);
        }
      } else {
        for (int64_t k = 0; k < w->columns; k++)
          add_product(w, first + o, k, input, &lanes[k % CK_LANES]);
      }
      y.elements[r * y.stride + o] = ck_sum_lanes(lanes);
    }
  }
}

static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x; }

static float rounded(float x) {
  uint16_t half;
  x = flushed(x);
  ck_encode_bfloat16(&x, 1, &half);
  return ck_float_of_bits((uint32_t)half << 16);
}

/// One element's part in a sum of rounded inputs.
static void add_rounded(const ck_matrix *w, int64_t row, int64_t k, const float *input,
                        float *lane) {
  if (k < w->columns)
    *lane = flushed(fmaf(rounded(input[k]), flushed(ck_decode(w, row, k)), *lane));
}

void ck_linear_rounded_scalar(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x,
                              ck_rows y) {
  for (int64_t r = 0; r < x.count; r++) {
    const float *input = x.elements + r * x.stride;
    for (int64_t o = 0; o < outputs; o++) {
      float lanes[CK_LANES] = {0};
      for (int64_t k = 0; k < w->columns; k += 2) {
        add_rounded(w, first + o, k + 1, input, &lanes[k / 2 % CK_LANES]);
        add_rounded(w, first + o, k, input, &lanes[k / 2 % CK_LANES]);
      }
      for (int half = CK_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) lanes[l] = flushed(lanes[l] + lanes[l + half]);
      y.elements[r * y.stride + o] = lanes[0];
    }
  }
}

void ck_linear_transposed_scalar(const ck_matrix *w, int64_t first, int64_t inputs, ck_rows x,
                                 ck_rows y, const float *carry) {
  for (int64_t r = 0; r < x.count; r++) {
    const float *input = x.elements + r * x.stride;
    float *output = y.elements + r * y.stride;
    for (int64_t k = 0; k < w->columns; k++) {
      float sum = carry == NULL ? 0.0f : carry[r] * output[k];
      for (int64_t i = 0; i < inputs; i++) sum = fmaf(input[i], ck_decode(w, first + i, k), sum);
      output[k] = sum;
    }
  }
}
