// 16 lanes of int32, or of four bytes each, in four NEON registers.

#ifndef CKERNELS_NEON_INTS_H
#define CKERNELS_NEON_INTS_H

#include <arm_neon.h>
#include <stdint.h>

/// Rows of a tile, of the 32 registers: four sums per row beside the codes of two groups, or beside
/// one column of weights.
enum { CK_INT_TILE_ROWS = 4, CK_FLOAT_TILE_ROWS = 6 };

typedef int32x4x4_t ints;

#define CK_INTWISE(name, operation)                                                     \
  CK_INLINE ints name(ints a, ints b) {                                                 \
    return (ints){{operation(a.val[0], b.val[0]), operation(a.val[1], b.val[1]),        \
                   operation(a.val[2], b.val[2]), operation(a.val[3], b.val[3])}};      \
  }
CK_INTWISE(ints_add, vaddq_s32)
CK_INTWISE(ints_multiply, vmulq_s32)
CK_INTWISE(ints_both, vandq_s32)
CK_INTWISE(ints_either, vorrq_s32)

CK_INLINE ints ints_of(int32_t value) {
  int32x4_t all = vdupq_n_s32(value);
  return (ints){{all, all, all, all}};
}
CK_INLINE ints ints_load(const uint8_t *bytes) {
  ints a;
  for (int v = 0; v < 4; v++) a.val[v] = vreinterpretq_s32_u8(vld1q_u8(bytes + 16 * v));
  return a;
}
CK_INLINE ints ints_zero(void) { return ints_of(0); }
/// The same four bytes in every lane.
CK_INLINE ints ints_broadcast(const void *bytes) {
  int32_t value;
  memcpy(&value, bytes, sizeof value);
  return ints_of(value);
}
CK_INLINE ints ints_and(ints a, int32_t mask) { return ints_both(a, ints_of(mask)); }
/// Shifts by 0 to 31; as operators, since intrinsics of constant counts know no 0.
CK_INLINE ints ints_right(ints a, int count) {
  for (int v = 0; v < 4; v++)
    a.val[v] = vreinterpretq_s32_u32(vreinterpretq_u32_s32(a.val[v]) >>
                                     vdupq_n_u32((uint32_t)count));
  return a;
}
CK_INLINE ints ints_right_by(ints a, int count) { return ints_right(a, count); }
CK_INLINE ints ints_left(ints a, int count) {
  for (int v = 0; v < 4; v++)
    a.val[v] = vreinterpretq_s32_u32(vreinterpretq_u32_s32(a.val[v])
                                     << vdupq_n_u32((uint32_t)count));
  return a;
}
/// low | (high & mask)
CK_INLINE ints ints_merge(ints low, ints high, int32_t mask) {
  return ints_either(low, ints_and(high, mask));
}
/// sum + a * b
CK_INLINE ints ints_multiply_add(ints a, ints b, ints sum) {
  return ints_add(sum, ints_multiply(a, b));
}
CK_INLINE ints ints_subtract(ints a, int32_t b) { return ints_add(a, ints_of(-b)); }
/// 16 signed bytes
CK_INLINE ints ints_of_bytes(const uint8_t *bytes) {
  int8x16_t all = vreinterpretq_s8_u8(vld1q_u8(bytes));
  int16x8_t low = vmovl_s8(vget_low_s8(all)), high = vmovl_high_s8(all);
  return (ints){{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low),
                 vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)}};
}

/// Adds the products of four codes below 128, which are the same as signed bytes, with four signed
/// bytes.
CK_INLINE ints ints_dot(ints sum, ints codes, ints x) {
  for (int v = 0; v < 4; v++)
    sum.val[v] = vdotq_s32(sum.val[v], vreinterpretq_s8_s32(codes.val[v]),
                           vreinterpretq_s8_s32(x.val[v]));
  return sum;
}
/// Adds the products of two int16 each.
CK_INLINE ints ints_dot_pairs(ints sum, ints a, ints b) {
  for (int v = 0; v < 4; v++) {
    int16x8_t left = vreinterpretq_s16_s32(a.val[v]), right = vreinterpretq_s16_s32(b.val[v]);
    int32x4_t low = vmull_s16(vget_low_s16(left), vget_low_s16(right));
    sum.val[v] = vaddq_s32(sum.val[v], vpaddq_s32(low, vmull_high_s16(left, right)));
  }
  return sum;
}
/// Q8_0: codes are turned back into the signed q, so that nothing is to be taken off.
CK_INLINE ints ints_dot_bytes(ints sum, ints codes, ints x) {
  for (int v = 0; v < 4; v++)
    codes.val[v] = veorq_s32(codes.val[v], vdupq_n_s32((int32_t)0x80808080));
  return ints_dot(sum, codes, x);
}
CK_INLINE ints ints_start_bytes(const int32_t *start) {
  (void)start;
  return ints_zero();
}

CK_INLINE lanes lanes_of_ints(ints a) {
  return (lanes){{vcvtq_f32_s32(a.val[0]), vcvtq_f32_s32(a.val[1]), vcvtq_f32_s32(a.val[2]),
                  vcvtq_f32_s32(a.val[3])}};
}
CK_INLINE lanes lanes_of_bits(ints a) {
  return (lanes){{vreinterpretq_f32_s32(a.val[0]), vreinterpretq_f32_s32(a.val[1]),
                  vreinterpretq_f32_s32(a.val[2]), vreinterpretq_f32_s32(a.val[3])}};
}
CK_INLINE lanes lanes_of_halves(const uint8_t *bytes) {
  float16x8_t low = vreinterpretq_f16_u8(vld1q_u8(bytes));
  float16x8_t high = vreinterpretq_f16_u8(vld1q_u8(bytes + 16));
  return (lanes){{vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low),
                  vcvt_f32_f16(vget_low_f16(high)), vcvt_high_f32_f16(high)}};
}
CK_INLINE float32x4_t float8_of(uint32x4_t code) {
  uint32x4_t magnitude = vandq_u32(code, vdupq_n_u32(0x7F));
  float32x4_t value = vmulq_f32(vreinterpretq_f32_u32(vshlq_n_u32(magnitude, 20)),
                                vdupq_n_f32(0x1p120f));
  uint32x4_t is_nan = vceqq_u32(magnitude, vdupq_n_u32(0x7F));
  uint32x4_t bits = vbslq_u32(is_nan, vdupq_n_u32(0x7FC00000), vreinterpretq_u32_f32(value));
  uint32x4_t sign = vshlq_n_u32(vandq_u32(code, vdupq_n_u32(0x80)), 24);
  return vreinterpretq_f32_u32(vorrq_u32(bits, sign));
}
/// e4m3 codes, one per lane.
CK_INLINE lanes lanes_of_float8(ints codes) {
  lanes x;
  for (int v = 0; v < 4; v++) x.val[v] = float8_of(vreinterpretq_u32_s32(codes.val[v]));
  return x;
}

/// Four rounded numbers; what is out of range or no number becomes 0. The conversion saturates, and
/// the lowest number's magnitude, which does not fit, is out of range without its sign.
CK_INLINE int16x4_t bytes_of(float32x4_t x) {
  int32x4_t rounded = vcvtnq_s32_f32(x);
  uint32x4_t size = vreinterpretq_u32_s32(vabsq_s32(rounded));
  uint32x4_t fits = vcleq_u32(size, vdupq_n_u32(127));
  return vmovn_s32(vandq_s32(rounded, vreinterpretq_s32_u32(fits)));
}
/// Rounds to the nearest even int8, what is out of range or no number to 0, and returns the sum.
CK_INLINE int32_t lanes_store_bytes(lanes x, int8_t *y) {
  int16x8_t low = vcombine_s16(bytes_of(x.val[0]), bytes_of(x.val[1]));
  int16x8_t high = vcombine_s16(bytes_of(x.val[2]), bytes_of(x.val[3]));
  int8x16_t all = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
  vst1q_s8(y, all);
  return vaddlvq_s8(all);
}

#endif
