// The operations on single rows over the 16-lane vectors of one tier. Included once per tier, after
// its lanes header. Each follows its definition in scalar/rowwise.c step by step.

#include "vector_exp.h"

void CK_NAME(ck_rms_norm)(ck_rows x, int64_t width, const float *weight, float epsilon, ck_rows y) {
  for (int64_t r = 0; r < x.count; r++) {
    const float *input = x.elements + r * x.stride;
    float *output = y.elements + r * y.stride;
    lanes sums = lanes_broadcast(0.0f);
    for (int64_t k = 0; k < width; k += 16) {
      lanes values = lanes_load(input + k, lanes_mask(width - k));
      sums = lanes_multiply_add(values, values, sums);
    }
    lanes factor = lanes_broadcast(1.0f / sqrtf(lanes_sum(sums) / (float)width + epsilon));
    for (int64_t k = 0; k < width; k += 16) {
      lane_mask mask = lanes_mask(width - k);
      lanes normal = lanes_multiply(lanes_load(input + k, mask), factor);
      lanes_store(output + k, lanes_multiply(lanes_load(weight + k, mask), normal), mask);
    }
  }
}

void CK_NAME(ck_gated_unit)(ck_rows gate, ck_rows up, int64_t width, ck_rows y) {
  for (int64_t r = 0; r < gate.count; r++) {
    for (int64_t k = 0; k < width; k += 16) {
      lane_mask mask = lanes_mask(width - k);
      lanes g = lanes_load(gate.elements + r * gate.stride + k, mask);
      lanes power = lanes_exp(lanes_subtract(lanes_broadcast(-0.0f), g));
      lanes silu = lanes_divide(g, lanes_add(lanes_broadcast(1.0f), power));
      lanes product = lanes_multiply(silu, lanes_load(up.elements + r * up.stride + k, mask));
      lanes_store(y.elements + r * y.stride + k, product, mask);
    }
  }
}
