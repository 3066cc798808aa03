// float32 to binary16, and the little-endian stores of block factors.

#ifndef CKERNELS_HALF_H
#define CKERNELS_HALF_H

#include "../shared/decode.h"

/// To nearest even; what is too large becomes infinite.
static inline uint16_t ck_half_of_float(float value) {
  uint32_t bits = ck_bits_of_float(value);
  uint32_t sign = bits >> 16 & 0x8000;
  uint32_t size = bits & 0x7FFFFFFF;
  if (size >= 0x477FF000u) return (uint16_t)(sign | (size > 0x7F800000u ? 0x7E00 : 0x7C00));
  // Below 2^-14 the result is a multiple of 2^-24, which adding 2^23 rounds to.
  if (size < 0x38800000u) {
    float units = ck_float_of_bits(size) * 0x1p24f + 0x1p23f;
    return (uint16_t)(sign | (ck_bits_of_float(units) & 0x7FFFFF));
  }
  size += 0xFFF + (size >> 13 & 1);
  return (uint16_t)(sign | (size - (112u << 23)) >> 13);
}

static inline int ck_half_is_infinite(uint16_t half) { return (half & 0x7FFF) == 0x7C00; }

static inline void ck_store_half(uint8_t *bytes, uint16_t half) {
  bytes[0] = (uint8_t)half;
  bytes[1] = (uint8_t)(half >> 8);
}

/// To the nearest integer, ties to even, for sizes below 2^22.
static inline float ck_round(float value) { return (value + 0x1.8p23f) - 0x1.8p23f; }

static inline float ck_clamp(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

#endif
