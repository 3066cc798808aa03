// 16 lanes of float32 in one AVX-512 register. Whoever includes this names its tier, CK_TIER, and
// may use the instructions for bfloat16, CK_DOT_BFLOAT16.

#ifndef CKERNELS_AVX512_LANES_H
#define CKERNELS_AVX512_LANES_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>

#include "../shared/decode.h"
#include "../shared/exp.h"
#include "../shared/sums.h"
#include "../shared/tiers.h"

#pragma STDC FP_CONTRACT OFF

#define CK_INLINE static inline __attribute__((always_inline))
#define CK_JOIN(operation, tier) operation##_##tier
#define CK_NAME_IN(operation, tier) CK_JOIN(operation, tier)
#define CK_NAME(operation) CK_NAME_IN(operation, CK_TIER)

/// 16 accumulators of the tile, 4 weights and 1 input fit the 32 registers.
enum { CK_TILE_OUTPUTS = 4, CK_TILE_ROWS = 4, CK_SINGLE_ROW_OUTPUTS = 8 };

typedef __m512 lanes;
typedef __mmask16 lane_mask;

/// The first `left` lanes, all when there are 16 or more.
CK_INLINE lane_mask lanes_mask(int64_t left) {
  return left >= 16 ? (lane_mask)0xFFFF : (lane_mask)((1u << left) - 1);
}
CK_INLINE lanes lanes_broadcast(float x) { return _mm512_set1_ps(x); }
CK_INLINE lanes lanes_load(const float *x, lane_mask mask) {
  return _mm512_maskz_loadu_ps(mask, x);
}
CK_INLINE void lanes_store(float *y, lanes x, lane_mask mask) { _mm512_mask_storeu_ps(y, mask, x); }
CK_INLINE lanes lanes_select(lane_mask mask, lanes x, lanes otherwise) {
  return _mm512_mask_mov_ps(otherwise, mask, x);
}
CK_INLINE lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
CK_INLINE lanes lanes_subtract(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
CK_INLINE lanes lanes_multiply(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
CK_INLINE lanes lanes_divide(lanes a, lanes b) { return _mm512_div_ps(a, b); }
CK_INLINE lanes lanes_minimum(lanes a, lanes b) { return _mm512_min_ps(a, b); }
CK_INLINE lanes lanes_maximum(lanes a, lanes b) { return _mm512_max_ps(a, b); }
/// c - a * b, fused.
CK_INLINE lanes lanes_negative_multiply_add(lanes a, lanes b, lanes c) {
  return _mm512_fnmadd_ps(a, b, c);
}
CK_INLINE lanes lanes_multiply_add(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }

/// x times 2^n, n in the low mantissa bits of `shifted`.
CK_INLINE lanes lanes_add_exponent(lanes x, lanes shifted) {
  __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), exponent));
}

CK_INLINE float lanes_sum(lanes x) {
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x),
                               _mm512_extractf32x8_ps(x, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

CK_INLINE float lanes_first(lanes x) { return _mm512_cvtss_f32(x); }

/// The largest of 16 numbers.
CK_INLINE float lanes_highest(lanes x) {
  __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  return ck_highest_of_eight(eight);
}

/// The sums of four vectors, side by side: every stage of `lanes_sum` for all four at once.
CK_INLINE void lanes_store_sums(float *y, lanes a, lanes b, lanes c, lanes d) {
  ck_store_sums_of_eights(
      y, _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)),
      _mm256_add_ps(_mm512_castps512_ps256(b), _mm512_extractf32x8_ps(b, 1)),
      _mm256_add_ps(_mm512_castps512_ps256(c), _mm512_extractf32x8_ps(c, 1)),
      _mm256_add_ps(_mm512_castps512_ps256(d), _mm512_extractf32x8_ps(d, 1)));
}

CK_INLINE lanes lanes_decode_float8(__m128i bytes) {
  __m512i wide = _mm512_cvtepu8_epi32(bytes);
  __m512i magnitude = _mm512_and_si512(wide, _mm512_set1_epi32(0x7F));
  __m512i sign = _mm512_slli_epi32(_mm512_and_si512(wide, _mm512_set1_epi32(0x80)), 24);
  __m512 value = _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(magnitude, 20)),
                               _mm512_set1_ps(0x1p120f));
  __mmask16 nan = _mm512_cmpeq_epi32_mask(magnitude, _mm512_set1_epi32(0x7F));
  value = _mm512_mask_mov_ps(value, nan, _mm512_castsi512_ps(_mm512_set1_epi32(0x7FC00000)));
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(value), sign));
}

/// 16 stored elements from `index` on; those outside the mask are not touched and read as zero.
CK_INLINE lanes lanes_decode(ck_format format, const void *elements, int64_t index,
                             lane_mask mask) {
  switch (format) {
    case CK_FLOAT32:
      return _mm512_maskz_loadu_ps(mask, (const float *)elements + index);
    case CK_FLOAT16:
      return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, (const uint16_t *)elements + index));
    case CK_BFLOAT16:
      return _mm512_castsi512_ps(_mm512_slli_epi32(
          _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, (const uint16_t *)elements + index)),
          16));
    case CK_FLOAT8_E4M3:
      return lanes_decode_float8(_mm_maskz_loadu_epi8(mask, (const uint8_t *)elements + index));
  }
  __builtin_unreachable();
}

/// Two neighbours per lane: elements 2 l and 2 l + 1 of 32.
typedef struct {
  lanes first, second;
} lane_pair;

/// 32 elements; those from `left` on are not touched and read as zero.
CK_INLINE lane_pair pair_load(const float *x, int64_t left) {
  lanes low = lanes_load(x, lanes_mask(left));
  lanes high = lanes_load(x + 16, lanes_mask(left > 16 ? left - 16 : 0));
  __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return (lane_pair){_mm512_permutex2var_ps(low, even, high),
                     _mm512_permutex2var_ps(low, odd, high)};
}

/// The same of bfloat16.
CK_INLINE lane_pair pair_decode(const uint16_t *w, int64_t left) {
  __mmask32 mask = left >= 32 ? 0xFFFFFFFFu : (1u << left) - 1;
  __m512i pairs = _mm512_maskz_loadu_epi16(mask, w);
  return (lane_pair){
      _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
      _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xFFFF0000)))};
}

#ifdef CK_DOT_BFLOAT16
/// 32 bfloat16 in the order of memory; two rows of products fit beside eight weights.
typedef __m512bh rounded_pairs;
enum { CK_WIDE_ROUNDED_ROWS = 2 };

/// Rounds 32 elements; those from `left` on are not touched and become zero.
CK_INLINE void rounded_store(uint16_t *y, const float *x, int64_t left) {
  lanes low = lanes_load(x, lanes_mask(left));
  lanes high = lanes_load(x + 16, lanes_mask(left > 16 ? left - 16 : 0));
  _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}
CK_INLINE rounded_pairs rounded_load(const uint16_t *w, int64_t left) {
  __mmask32 mask = left >= 32 ? 0xFFFFFFFFu : (1u << left) - 1;
  return (__m512bh)_mm512_maskz_loadu_epi16(mask, w);
}
/// The second of each pair first, no rounding but that of the sums, tiny numbers as zero.
CK_INLINE lanes rounded_multiply_add(rounded_pairs a, rounded_pairs b, lanes sum) {
  return _mm512_dpbf16_ps(sum, a, b);
}
#else
typedef lane_pair rounded_pairs;
enum { CK_WIDE_ROUNDED_ROWS = 1 };

CK_INLINE __m256i round_bfloat16(lanes x) {
  __m512i bits = _mm512_castps_si512(x);
  __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), even);
  __m512i sign = _mm512_and_si512(bits, _mm512_set1_epi32((int)0x80000000));
  // Zeros and subnormals, which the processor may count as zeros already.
  rounded = _mm512_mask_mov_epi32(rounded, _mm512_fpclass_ps_mask(x, 0x26), sign);
  __m512i nan = _mm512_or_si512(bits, _mm512_set1_epi32(0x00400000));
  rounded = _mm512_mask_mov_epi32(rounded, _mm512_fpclass_ps_mask(x, 0x81), nan);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}
/// Rounds 32 elements; those from `left` on are not touched and become zero.
CK_INLINE void rounded_store(uint16_t *y, const float *x, int64_t left) {
  lanes low = lanes_load(x, lanes_mask(left));
  lanes high = lanes_load(x + 16, lanes_mask(left > 16 ? left - 16 : 0));
  _mm256_storeu_si256((__m256i *)(void *)y, round_bfloat16(low));
  _mm256_storeu_si256((__m256i *)(void *)(y + 16), round_bfloat16(high));
}
CK_INLINE rounded_pairs rounded_load(const uint16_t *w, int64_t left) {
  return pair_decode(w, left);
}
CK_INLINE lanes rounded_multiply_add(rounded_pairs a, rounded_pairs b, lanes sum) {
  return lanes_multiply_add(a.first, b.first, lanes_multiply_add(a.second, b.second, sum));
}
#endif

#endif
