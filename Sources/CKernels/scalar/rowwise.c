// The definition of the operations on single rows.

#include <math.h>

#include "../shared/decode.h"
#include "../shared/exp.h"
#include "../shared/tiers.h"
#include "lanes.h"

#pragma STDC FP_CONTRACT OFF

float ck_exp(float x) {
  x = x > CK_EXP_LOWEST ? x : CK_EXP_LOWEST;
  x = x < CK_EXP_HIGHEST ? x : CK_EXP_HIGHEST;
  float shifted = fmaf(x, CK_LOG2_E, CK_ROUND_MAGIC);
  float n = shifted - CK_ROUND_MAGIC;
  float r = fmaf(n, -CK_LN2_LOW, fmaf(n, -CK_LN2_HIGH, x));
  float p = fmaf(CK_EXP_C7, r, CK_EXP_C6);
  p = fmaf(p, r, CK_EXP_C5);
  p = fmaf(p, r, CK_EXP_C4);
  p = fmaf(p, r, CK_EXP_C3);
  p = fmaf(p, r, CK_EXP_C2);
  p = fmaf(p, r, 1.0f);
  p = fmaf(p, r, 1.0f);
  return ck_float_of_bits(ck_bits_of_float(p) + (ck_bits_of_float(shifted) << 23));
}

void ck_rms_norm_scalar(ck_rows x, int64_t width, const float *weight, float epsilon, ck_rows y) {
  for (int64_t r = 0; r < x.count; r++) {
    const float *input = x.elements + r * x.stride;
    float *output = y.elements + r * y.stride;
    float lanes[CK_LANES] = {0};
    for (int64_t k = 0; k < width; k++)
      lanes[k % CK_LANES] = fmaf(input[k], input[k], lanes[k % CK_LANES]);
    float factor = 1.0f / sqrtf(ck_sum_lanes(lanes) / (float)width + epsilon);
    for (int64_t k = 0; k < width; k++) output[k] = weight[k] * (input[k] * factor);
  }
}

void ck_gated_unit_scalar(ck_rows gate, ck_rows up, int64_t width, ck_rows y) {
  for (int64_t r = 0; r < gate.count; r++) {
    for (int64_t k = 0; k < width; k++) {
      float g = gate.elements[r * gate.stride + k];
      float silu = g / (1.0f + ck_exp(-g));
      y.elements[r * y.stride + k] = silu * up.elements[r * up.stride + k];
    }
  }
}

void ck_encode_bfloat16(const float *x, int64_t count, uint16_t *y) {
  for (int64_t k = 0; k < count; k++) {
    uint32_t bits = ck_bits_of_float(x[k]);
    uint32_t rounded = bits + 0x7FFFu + (bits >> 16 & 1);
    y[k] = x[k] != x[k] ? (uint16_t)(bits >> 16 | 0x40) : (uint16_t)(rounded >> 16);
  }
}

void ck_add_scaled(const float *x, float factor, int64_t count, float *y) {
  for (int64_t k = 0; k < count; k++) {
    float product = factor * x[k];
    y[k] += product;
  }
}
