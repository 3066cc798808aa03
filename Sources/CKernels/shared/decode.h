// Single elements of the stored formats as float32, all exact.

#ifndef CKERNELS_DECODE_H
#define CKERNELS_DECODE_H

#include <stdint.h>
#include <string.h>

#include "CKernels.h"

static inline float ck_float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t ck_bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// Exponent and mantissa are moved to where float32 has them; a multiplication by 2^112 (binary16)
/// or 2^120 (e4m3) then corrects the exponent's bias, subnormals included.
static inline float ck_decode_float16(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
  float value = magnitude >= 0x0F800000u ? ck_float_of_bits(magnitude | 0x7F800000u)
                                         : ck_float_of_bits(magnitude) * 0x1p112f;
  return ck_float_of_bits(ck_bits_of_float(value) | (uint32_t)(half & 0x8000) << 16);
}

static inline float ck_decode_float8(uint8_t byte) {
  uint32_t magnitude = (uint32_t)(byte & 0x7F) << 20;
  float value = (byte & 0x7F) == 0x7F ? ck_float_of_bits(0x7FC00000u)
                                      : ck_float_of_bits(magnitude) * 0x1p120f;
  return ck_float_of_bits(ck_bits_of_float(value) | (uint32_t)(byte & 0x80) << 24);
}

#endif
