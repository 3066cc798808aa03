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
