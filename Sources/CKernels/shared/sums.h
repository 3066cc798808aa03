// The last stages of reductions over lanes, for both x86 tiers.

#ifndef CKERNELS_SUMS_H
#define CKERNELS_SUMS_H

#include <immintrin.h>

__attribute__((always_inline, target("avx2"))) static inline float ck_highest_of_eight(__m256 x) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#endif
