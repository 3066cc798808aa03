// 16 lanes of float32 in four NEON registers. A cut group of lanes goes through a block on the
// stack.

#ifndef CKERNELS_NEON_LANES_H
#define CKERNELS_NEON_LANES_H

#include <arm_neon.h>
#include <math.h>

#include "../shared/decode.h"
#include "../shared/exp.h"
#include "../shared/tiers.h"

#pragma STDC FP_CONTRACT OFF

#define CK_INLINE static inline __attribute__((always_inline))
#define CK_NAME(operation) operation##_neon

typedef float32x4x4_t lanes;
/// How many of the 16 lanes exist.
typedef int lane_mask;

CK_INLINE lane_mask lanes_mask(int64_t left) { return left >= 16 ? 16 : (lane_mask)left; }
CK_INLINE lanes lanes_broadcast(float x) {
  float32x4_t all = vdupq_n_f32(x);
  return (lanes){{all, all, all, all}};
}
CK_INLINE lanes lanes_load(const float *x, lane_mask mask) {
  float block[16] = {0};
  if (mask < 16) {
    memcpy(block, x, (size_t)mask * sizeof *x);
    x = block;
  }
  return (lanes){{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
}
CK_INLINE void store_all(float *y, lanes x) {
  for (int v = 0; v < 4; v++) vst1q_f32(y + 4 * v, x.val[v]);
}
CK_INLINE void lanes_store(float *y, lanes x, lane_mask mask) {
  if (mask == 16) return store_all(y, x);
  float block[16];
  store_all(block, x);
  memcpy(y, block, (size_t)mask * sizeof *y);
}

/// The second where neither is larger, as the definition compares: also where one is no number.
CK_INLINE float32x4_t larger(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
CK_INLINE float32x4_t smaller(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}
/// x times 2^n, n in the low mantissa bits of `shifted`.
CK_INLINE float32x4_t add_exponent(float32x4_t x, float32x4_t shifted) {
  int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), exponent));
}

#define CK_LANEWISE(name, operation)                                                      \
  CK_INLINE lanes name(lanes a, lanes b) {                                                \
    return (lanes){{operation(a.val[0], b.val[0]), operation(a.val[1], b.val[1]),         \
                    operation(a.val[2], b.val[2]), operation(a.val[3], b.val[3])}};       \
  }
CK_LANEWISE(lanes_add, vaddq_f32)
CK_LANEWISE(lanes_subtract, vsubq_f32)
CK_LANEWISE(lanes_multiply, vmulq_f32)
CK_LANEWISE(lanes_divide, vdivq_f32)
CK_LANEWISE(lanes_minimum, smaller)
CK_LANEWISE(lanes_maximum, larger)
CK_LANEWISE(lanes_add_exponent, add_exponent)

/// a * b + c, fused.
CK_INLINE lanes lanes_multiply_add(lanes a, lanes b, lanes c) {
  for (int v = 0; v < 4; v++) c.val[v] = vfmaq_f32(c.val[v], a.val[v], b.val[v]);
  return c;
}
/// c - a * b, fused.
CK_INLINE lanes lanes_negative_multiply_add(lanes a, lanes b, lanes c) {
  for (int v = 0; v < 4; v++) c.val[v] = vfmsq_f32(c.val[v], a.val[v], b.val[v]);
  return c;
}
CK_INLINE lanes lanes_magnitude(lanes x) {
  for (int v = 0; v < 4; v++) x.val[v] = vabsq_f32(x.val[v]);
  return x;
}

/// Halves added to halves, down to one; an addition of neighbours would have another order.
CK_INLINE float lanes_sum(lanes x) {
  float32x4_t four = vaddq_f32(vaddq_f32(x.val[0], x.val[2]), vaddq_f32(x.val[1], x.val[3]));
  float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
CK_INLINE float lanes_first(lanes x) { return vgetq_lane_f32(x.val[0], 0); }
/// The largest of 16 numbers.
CK_INLINE float lanes_highest(lanes x) {
  return vmaxvq_f32(larger(larger(x.val[0], x.val[1]), larger(x.val[2], x.val[3])));
}

#endif
