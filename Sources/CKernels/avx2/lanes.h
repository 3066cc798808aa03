// 16 lanes of float32 in two AVX registers. AVX2 has no cheap masked loads of narrow types, so a
// cut group of lanes goes through a zeroed block on the stack.

#ifndef CKERNELS_AVX2_LANES_H
#define CKERNELS_AVX2_LANES_H

#include <immintrin.h>
#include <math.h>
#include <stddef.h>

#include "../shared/decode.h"
#include "../shared/exp.h"
#include "../shared/sums.h"
#include "../shared/tiers.h"

#pragma STDC FP_CONTRACT OFF

#define CK_INLINE static inline __attribute__((always_inline))
#define CK_NAME(operation) operation##_avx2

typedef struct {
  __m256 low, high;
} lanes;
/// How many of the 16 lanes exist.
typedef int lane_mask;

CK_INLINE lane_mask lanes_mask(int64_t left) { return left >= 16 ? 16 : (lane_mask)left; }
CK_INLINE lanes lanes_broadcast(float x) {
  return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
CK_INLINE lanes lanes_load(const float *x, lane_mask mask) {
  float block[16] = {0};
  if (mask < 16) {
    memcpy(block, x, (size_t)mask * sizeof *x);
    x = block;
  }
  return (lanes){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}
CK_INLINE void lanes_store(float *y, lanes x, lane_mask mask) {
  if (mask == 16) {
    _mm256_storeu_ps(y, x.low);
    _mm256_storeu_ps(y + 8, x.high);
  } else {
    float block[16];
    _mm256_storeu_ps(block, x.low);
    _mm256_storeu_ps(block + 8, x.high);
    memcpy(y, block, (size_t)mask * sizeof *y);
  }
}

#define CK_LANEWISE(name, operation)                                                 \
  CK_INLINE lanes name(lanes a, lanes b) {                                           \
    return (lanes){operation(a.low, b.low), operation(a.high, b.high)};              \
  }
CK_LANEWISE(lanes_add, _mm256_add_ps)
CK_LANEWISE(lanes_subtract, _mm256_sub_ps)
CK_LANEWISE(lanes_multiply, _mm256_mul_ps)
CK_LANEWISE(lanes_divide, _mm256_div_ps)
CK_LANEWISE(lanes_minimum, _mm256_min_ps)
CK_LANEWISE(lanes_maximum, _mm256_max_ps)

CK_INLINE lanes lanes_multiply_add(lanes a, lanes b, lanes c) {
  return (lanes){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

CK_INLINE __m256 add_exponent(__m256 x, __m256 shifted) {
  __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}
/// x times 2^n, n in the low mantissa bits of `shifted`.
CK_INLINE lanes lanes_add_exponent(lanes x, lanes shifted) {
  return (lanes){add_exponent(x.low, shifted.low), add_exponent(x.high, shifted.high)};
}

CK_INLINE float lanes_sum(lanes x) {
  __m256 eight = _mm256_add_ps(x.low, x.high);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

CK_INLINE float lanes_first(lanes x) { return _mm256_cvtss_f32(x.low); }

/// The largest of 16 numbers.
CK_INLINE float lanes_highest(lanes x) {
  return ck_highest_of_eight(_mm256_max_ps(x.low, x.high));
}

#endif
