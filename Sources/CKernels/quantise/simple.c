// Blocks of 32 with one factor: Q8_0 and Q5_0.

#include <math.h>
#include <string.h>

#include "blocks.h"
#include "fit.h"
#include "half.h"

#pragma STDC FP_CONTRACT OFF

static float largest(const float *x, int count) {
  float size = 0;
  for (int i = 0; i < count; i++) size = fabsf(x[i]) > size ? fabsf(x[i]) : size;
  return size;
}

ck_encoded ck_encode_q8_0(const float *x, uint8_t *bytes) {
  float size = largest(x, CK_BLOCK);
  uint16_t factor = ck_half_of_float(size / 127);
  // A factor that was rounded down too far (below 2^-14 it has few bits) would cut the largest.
  if (ck_decode_float16(factor) * 127.5f < size) factor++;
  if (ck_half_is_infinite(factor)) return CK_OUT_OF_RANGE;
  float d = ck_decode_float16(factor);
  ck_store_half(bytes, factor);
  for (int i = 0; i < CK_BLOCK; i++) {
    float level = d > 0 ? ck_clamp(ck_round(x[i] / d), -127, 127) : 0;
    bytes[2 + i] = (uint8_t)(int8_t)level;
  }
  return CK_ENCODED;
}

/// Levels 0 to 31 for a factor, and the weighted error they leave.
static float q5_0_levels(const float *x, const float *weights, float d, uint8_t *levels) {
  float error = 0;
  for (int i = 0; i < CK_BLOCK; i++) {
    float level = d != 0 ? ck_clamp(ck_round(x[i] / d), -16, 15) : 0;
    float difference = x[i] - d * level;
    error += weights[i] * difference * difference;
    levels[i] = (uint8_t)(level + 16);
  }
  return error;
}

ck_encoded ck_encode_q5_0(const float *x, uint8_t *bytes) {
  float normalised[CK_BLOCK], weights[CK_BLOCK];
  float size = largest(x, CK_BLOCK);
  int exponent = 0;
  if (size < 0x1p-100f) size = 0;
  frexpf(size, &exponent);
  float down = ldexpf(1, -exponent);
  for (int i = 0; i < CK_BLOCK; i++) normalised[i] = size > 0 ? x[i] * down : 0;
  ck_fit_weights(normalised, CK_BLOCK, weights);
  ck_fit fit = ck_fit_symmetric(normalised, weights, CK_BLOCK, 16);
  uint16_t factor = ck_half_of_float(ldexpf(fit.scale, exponent));
  if (ck_half_is_infinite(factor)) return CK_OUT_OF_RANGE;
  // The factor's neighbours among the numbers that a float16 can be: rounding may favour one.
  uint8_t levels[CK_BLOCK], best_levels[CK_BLOCK];
  uint16_t best_factor = factor;
  float best = INFINITY;
  for (int step = -1; step <= 1; step++) {
    uint16_t tried = (uint16_t)(factor + step);
    if ((tried & 0x7FFF) >= 0x7C00) continue;
    float d = ck_decode_float16(tried) * down;
    float error = q5_0_levels(normalised, weights, d, levels);
    if (error < best) {
      best = error;
      best_factor = tried;
      memcpy(best_levels, levels, sizeof levels);
    }
  }
  ck_store_half(bytes, best_factor);
  uint32_t high = 0;
  for (int i = 0; i < CK_BLOCK; i++) high |= (uint32_t)(best_levels[i] >> 4) << i;
  for (int i = 0; i < 4; i++) bytes[2 + i] = (uint8_t)(high >> 8 * i);
  for (int i = 0; i < 16; i++)
    bytes[6 + i] = (uint8_t)((best_levels[i] & 15) | (best_levels[i + 16] & 15) << 4);
  return CK_ENCODED;
}
