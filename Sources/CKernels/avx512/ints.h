// 16 lanes of int32, or of four bytes each, in one AVX-512 register.

#ifndef CKERNELS_AVX512_INTS_H
#define CKERNELS_AVX512_INTS_H

#include <immintrin.h>
#include <stdint.h>

/// Rows of a tile: three sums per row, codes and masks fit the 32 registers.
enum { CK_INT_TILE_ROWS = 8 };

typedef __m512i ints;

CK_INLINE ints ints_load(const uint8_t *bytes) { return _mm512_load_si512(bytes); }
CK_INLINE ints ints_zero(void) { return _mm512_setzero_si512(); }
/// The same four bytes in every lane.
CK_INLINE ints ints_broadcast(const void *bytes) {
  int32_t value;
  memcpy(&value, bytes, sizeof value);
  return _mm512_set1_epi32(value);
}
CK_INLINE ints ints_and(ints a, int32_t mask) {
  return _mm512_and_si512(a, _mm512_set1_epi32(mask));
}
CK_INLINE ints ints_right(ints a, int count) { return _mm512_srli_epi32(a, (unsigned)count); }
CK_INLINE ints ints_left(ints a, int count) { return _mm512_slli_epi32(a, (unsigned)count); }
/// low | (high & mask)
CK_INLINE ints ints_merge(ints low, ints high, int32_t mask) {
  return _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi32(mask), 0xF8);
}
/// sum + a * b
CK_INLINE ints ints_multiply_add(ints a, ints b, ints sum) {
  return _mm512_add_epi32(sum, _mm512_mullo_epi32(a, b));
}
/// 16 signed bytes
CK_INLINE ints ints_of_bytes(const uint8_t *bytes) {
  return _mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)bytes));
}
/// Adds the products of four unsigned codes with four signed bytes.
CK_INLINE ints ints_dot(ints sum, ints codes, ints x) { return _mm512_dpbusd_epi32(sum, codes, x); }
/// Adds the products of two int16 each.
CK_INLINE ints ints_dot_pairs(ints sum, ints a, ints b) { return _mm512_dpwssd_epi32(sum, a, b); }
CK_INLINE lanes lanes_of_ints(ints a) { return _mm512_cvtepi32_ps(a); }
CK_INLINE lanes lanes_of_halves(const uint8_t *bytes) {
  return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)bytes));
}
/// Q8_0: codes are q + 128, and `sum` began with -128 times the sum of x.
CK_INLINE ints ints_dot_bytes(ints sum, ints codes, ints x) { return ints_dot(sum, codes, x); }
/// What sums of products with Q8_0's codes start from.
CK_INLINE ints ints_start_bytes(const int32_t *start) { return ints_broadcast(start); }

CK_INLINE ints ints_subtract(ints a, int32_t b) {
  return _mm512_sub_epi32(a, _mm512_set1_epi32(b));
}
/// For counts that are no constants.
CK_INLINE ints ints_right_by(ints a, int count) {
  return _mm512_srl_epi32(a, _mm_cvtsi32_si128(count));
}
CK_INLINE lanes lanes_of_bits(ints a) { return _mm512_castsi512_ps(a); }
/// e4m3 codes, one per lane.
CK_INLINE lanes lanes_of_float8(ints codes) {
  return lanes_decode_float8(_mm512_cvtepi32_epi8(codes));
}
CK_INLINE lanes lanes_magnitude(lanes x) { return _mm512_abs_ps(x); }
/// Rounds to the nearest even int8, what is out of range or no number to 0, and returns the sum.
CK_INLINE int32_t lanes_store_bytes(lanes x, int8_t *y) {
  __m512i rounded = _mm512_cvtps_epi32(x);
  __mmask16 valid = _mm512_cmple_epi32_mask(_mm512_abs_epi32(rounded), _mm512_set1_epi32(127)) &
                    _mm512_cmpneq_epi32_mask(rounded, _mm512_set1_epi32(INT32_MIN));
  rounded = _mm512_maskz_mov_epi32(valid, rounded);
  _mm_storeu_si128((__m128i *)(void *)y, _mm512_cvtepi32_epi8(rounded));
  return _mm512_reduce_add_epi32(rounded);
}

#endif
