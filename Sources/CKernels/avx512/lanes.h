// 16 lanes of float32 in one AVX-512 register. Whoever includes this names its tier, CK_TIER.

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

#endif
