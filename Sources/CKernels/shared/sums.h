// The last stages of reductions over lanes, for both x86 tiers.

#ifndef CKERNELS_SUMS_H
#define CKERNELS_SUMS_H

#include <immintrin.h>

/// Stores the sums of four vectors of eight: halves added to halves (4 + 4, 2 + 2, 1 + 1), as for
/// one vector, but with no lane of a register idle.
__attribute__((always_inline, target("avx2"))) static inline void ck_store_sums_of_eights(
    float *y, __m256 a, __m256 b, __m256 c, __m256 d) {
  __m256 ab = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  __m256 cd = _mm256_add_ps(_mm256_permute2f128_ps(c, d, 0x20), _mm256_permute2f128_ps(c, d, 0x31));
  // [a a c c | b b d d], then their neighbours added into the even places.
  __m256 two = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
  __m256 one = _mm256_add_ps(two, _mm256_movehdup_ps(two));
  __m256i order = _mm256_setr_epi32(0, 4, 2, 6, 0, 4, 2, 6);
  _mm_storeu_ps(y, _mm256_castps256_ps128(_mm256_permutevar8x32_ps(one, order)));
}

__attribute__((always_inline, target("avx2"))) static inline float ck_highest_of_eight(__m256 x) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#endif
