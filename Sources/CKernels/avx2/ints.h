// 16 lanes of int32, or of four bytes each, in two AVX registers.

#ifndef CKERNELS_AVX2_INTS_H
#define CKERNELS_AVX2_INTS_H

#include <immintrin.h>
#include <stdint.h>

/// Rows of a tile: two sums of two registers per row beside the codes' four.
enum { CK_INT_TILE_ROWS = 2, CK_FLOAT_TILE_ROWS = 4 };

typedef struct {
  __m256i low, high;
} ints;

#define CK_INTWISE(name, operation)                                          \
  CK_INLINE ints name(ints a, ints b) {                                      \
    return (ints){operation(a.low, b.low), operation(a.high, b.high)};       \
  }
CK_INTWISE(ints_add, _mm256_add_epi32)
CK_INTWISE(ints_multiply, _mm256_mullo_epi32)
CK_INTWISE(ints_both, _mm256_and_si256)

CK_INLINE ints ints_of(int32_t value) {
  return (ints){_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}
CK_INLINE ints ints_load(const uint8_t *bytes) {
  return (ints){_mm256_load_si256((const __m256i *)(const void *)bytes),
                _mm256_load_si256((const __m256i *)(const void *)(bytes + 32))};
}
CK_INLINE ints ints_zero(void) { return ints_of(0); }
/// The same four bytes in every lane.
CK_INLINE ints ints_broadcast(const void *bytes) {
  int32_t value;
  memcpy(&value, bytes, sizeof value);
  return ints_of(value);
}
CK_INLINE ints ints_and(ints a, int32_t mask) { return ints_both(a, ints_of(mask)); }
CK_INLINE ints ints_right(ints a, int count) {
  return (ints){_mm256_srli_epi32(a.low, count), _mm256_srli_epi32(a.high, count)};
}
CK_INLINE ints ints_right_by(ints a, int count) {
  __m128i by = _mm_cvtsi32_si128(count);
  return (ints){_mm256_srl_epi32(a.low, by), _mm256_srl_epi32(a.high, by)};
}
CK_INLINE ints ints_left(ints a, int count) {
  return (ints){_mm256_slli_epi32(a.low, count), _mm256_slli_epi32(a.high, count)};
}
/// low | (high & mask)
CK_INLINE ints ints_merge(ints low, ints high, int32_t mask) {
  ints masked = ints_and(high, mask);
  return (ints){_mm256_or_si256(low.low, masked.low), _mm256_or_si256(low.high, masked.high)};
}
/// sum + a * b
CK_INLINE ints ints_multiply_add(ints a, ints b, ints sum) {
  return ints_add(sum, ints_multiply(a, b));
}
CK_INLINE ints ints_subtract(ints a, int32_t b) { return ints_add(a, ints_of(-b)); }
/// 16 signed bytes
CK_INLINE ints ints_of_bytes(const uint8_t *bytes) {
  __m128i all = _mm_load_si128((const __m128i *)(const void *)bytes);
  return (ints){_mm256_cvtepi8_epi32(all), _mm256_cvtepi8_epi32(_mm_srli_si128(all, 8))};
}

CK_INLINE __m256i dot_bytes(__m256i sum, __m256i codes, __m256i x) {
  __m256i pairs = _mm256_maddubs_epi16(codes, x);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
/// Adds the products of four unsigned codes below 128 with four signed bytes.
CK_INLINE ints ints_dot(ints sum, ints codes, ints x) {
  return (ints){dot_bytes(sum.low, codes.low, x.low), dot_bytes(sum.high, codes.high, x.high)};
}
/// Adds the products of two int16 each.
CK_INLINE ints ints_dot_pairs(ints sum, ints a, ints b) {
  return (ints){_mm256_add_epi32(sum.low, _mm256_madd_epi16(a.low, b.low)),
                _mm256_add_epi32(sum.high, _mm256_madd_epi16(a.high, b.high))};
}

CK_INLINE __m256i dot_signed(__m256i sum, __m256i codes, __m256i x) {
  __m256i q = _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80));
  return dot_bytes(sum, _mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
}
/// Q8_0: the products with codes up to 255 would saturate, those with q itself do not: nothing is
/// to be taken off at the end.
CK_INLINE ints ints_dot_bytes(ints sum, ints codes, ints x) {
  return (ints){dot_signed(sum.low, codes.low, x.low), dot_signed(sum.high, codes.high, x.high)};
}
CK_INLINE ints ints_start_bytes(const int32_t *start) {
  (void)start;
  return ints_zero();
}

CK_INLINE lanes lanes_of_ints(ints a) {
  return (lanes){_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)};
}
CK_INLINE lanes lanes_of_bits(ints a) {
  return (lanes){_mm256_castsi256_ps(a.low), _mm256_castsi256_ps(a.high)};
}
CK_INLINE lanes lanes_of_halves(const uint8_t *bytes) {
  return (lanes){_mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)bytes)),
                 _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(bytes + 16)))};
}
CK_INLINE __m256 float8_of(__m256i wide) {
  __m256i magnitude = _mm256_and_si256(wide, _mm256_set1_epi32(0x7F));
  __m256i sign = _mm256_slli_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(0x80)), 24);
  __m256 value = _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(magnitude, 20)),
                               _mm256_set1_ps(0x1p120f));
  __m256i nan = _mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7F));
  value = _mm256_blendv_ps(value, _mm256_castsi256_ps(_mm256_set1_epi32(0x7FC00000)),
                           _mm256_castsi256_ps(nan));
  return _mm256_castsi256_ps(_mm256_or_si256(_mm256_castps_si256(value), sign));
}
/// e4m3 codes, one per lane.
CK_INLINE lanes lanes_of_float8(ints codes) {
  return (lanes){float8_of(codes.low), float8_of(codes.high)};
}
/// c - a * b, fused.
CK_INLINE lanes lanes_negative_multiply_add(lanes a, lanes b, lanes c) {
  return (lanes){_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
CK_INLINE lanes lanes_magnitude(lanes x) {
  __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
  return (lanes){_mm256_and_ps(x.low, mask), _mm256_and_ps(x.high, mask)};
}

/// Eight rounded numbers; what is out of range or no number becomes 0.
CK_INLINE __m256i bytes_of(__m256 x) {
  __m256i rounded = _mm256_cvtps_epi32(x);
  __m256i high = _mm256_cmpgt_epi32(rounded, _mm256_set1_epi32(127));
  __m256i low = _mm256_cmpgt_epi32(_mm256_set1_epi32(-127), rounded);
  return _mm256_andnot_si256(_mm256_or_si256(high, low), rounded);
}
/// Rounds to the nearest even int8, what is out of range or no number to 0, and returns the sum.
CK_INLINE int32_t lanes_store_bytes(lanes x, int8_t *y) {
  int32_t values[16], sum = 0;
  _mm256_storeu_si256((__m256i *)(void *)values, bytes_of(x.low));
  _mm256_storeu_si256((__m256i *)(void *)(values + 8), bytes_of(x.high));
  for (int k = 0; k < 16; k++) {
    y[k] = (int8_t)values[k];
    sum += values[k];
  }
  return sum;
}

#endif
