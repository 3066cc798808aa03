// The loops for processors with the dot products of ARMv8.2.

#if defined(__aarch64__)

#include <arm_neon.h>

#include "loops.h"

CK_INLINE uint32_t xor_lanes(uint32x4_t x) { return x[0] ^ x[1] ^ x[2] ^ x[3]; }

uint64_t ck_limit_read_neon(const uint8_t *bytes, int64_t count) {
  uint8x16_t sums[8];
  for (int s = 0; s < 8; s++) sums[s] = vdupq_n_u8(0);
  for (int64_t i = 0; i < count; i += 256)
    for (int s = 0; s < 16; s++) sums[s % 8] = veorq_u8(sums[s % 8], vld1q_u8(bytes + i + 16 * s));
  for (int s = 1; s < 8; s++) sums[0] = veorq_u8(sums[0], sums[s]);
  return xor_lanes(vreinterpretq_u32_u8(sums[0]));
}

uint32_t ck_limit_float32_neon(int64_t rounds) {
  const float32x4_t w = vdupq_n_f32(2), x = vdupq_n_f32(0.5f);
  float32x4_t sums[CK_LIMIT_SUMS];
  for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = vdupq_n_f32((float)s);
  for (int64_t i = 0; i < rounds; i++)
    for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = vfmaq_f32(sums[s], w, x);
  for (int s = 1; s < CK_LIMIT_SUMS; s++) sums[0] = vaddq_f32(sums[0], sums[s]);
  return xor_lanes(vreinterpretq_u32_f32(sums[0]));
}

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

// Products of signed bytes: those of unsigned and signed ones are brought to them.
uint32_t ck_limit_int8_neon(int64_t rounds) {
  const int8x16_t w = vdupq_n_s8(7), x = vdupq_n_s8(-3);
  int32x4_t sums[CK_LIMIT_SUMS];
  for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = vdupq_n_s32(s);
  for (int64_t i = 0; i < rounds; i++)
    for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = vdotq_s32(sums[s], w, x);
  for (int s = 1; s < CK_LIMIT_SUMS; s++) sums[0] = veorq_s32(sums[0], sums[s]);
  return xor_lanes(vreinterpretq_u32_s32(sums[0]));
}

#pragma clang attribute pop

#endif
