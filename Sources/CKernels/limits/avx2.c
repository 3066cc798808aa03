// The loops for processors with AVX2 and FMA.

#if defined(__x86_64__)

#include <immintrin.h>

#include "loops.h"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

CK_INLINE uint32_t xor_lanes(__m256i x) {
  uint32_t lanes[8], all = 0;
  _mm256_storeu_si256((__m256i *)lanes, x);
  for (int l = 0; l < 8; l++) all ^= lanes[l];
  return all;
}

uint64_t ck_limit_read_avx2(const uint8_t *bytes, int64_t count) {
  __m256i sums[8];
  for (int s = 0; s < 8; s++) sums[s] = _mm256_setzero_si256();
  for (int64_t i = 0; i < count; i += 256)
    for (int s = 0; s < 8; s++)
      sums[s] = _mm256_xor_si256(
          sums[s], _mm256_load_si256((const __m256i *)(bytes + i + 32 * s)));
  for (int s = 1; s < 8; s++) sums[0] = _mm256_xor_si256(sums[0], sums[s]);
  return xor_lanes(sums[0]);
}

// A product takes three instructions: pairs in int16, pairs of those in int32, and the sum.
uint32_t ck_limit_int8_avx2(int64_t rounds) {
  __m256i w = _mm256_set1_epi8(7), x = _mm256_set1_epi8(-3);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[CK_LIMIT_SUMS];
  for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm256_setzero_si256();
  for (int64_t i = 0; i < rounds; i++)
    for (int s = 0; s < CK_LIMIT_SUMS; s++) {
      // Taken for new operands, whose products must be computed anew.
      __asm__ volatile("" : "+x"(w), "+x"(x));
      sums[s] = _mm256_add_epi32(sums[s], _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), ones));
    }
  for (int s = 1; s < CK_LIMIT_SUMS; s++) sums[0] = _mm256_xor_si256(sums[0], sums[s]);
  return xor_lanes(sums[0]);
}

uint32_t ck_limit_float32_avx2(int64_t rounds) {
  const __m256 w = _mm256_set1_ps(2), x = _mm256_set1_ps(0.5f);
  __m256 sums[CK_LIMIT_SUMS];
  for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm256_set1_ps((float)s);
  for (int64_t i = 0; i < rounds; i++)
    for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm256_fmadd_ps(w, x, sums[s]);
  for (int s = 1; s < CK_LIMIT_SUMS; s++) sums[0] = _mm256_add_ps(sums[0], sums[s]);
  return xor_lanes(_mm256_castps_si256(sums[0]));
}

#pragma clang attribute pop

#endif
