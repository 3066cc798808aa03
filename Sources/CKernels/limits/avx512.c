// The loops for processors with AVX-512 and VNNI, some with BF16 besides.

#if defined(__x86_64__)

#include <immintrin.h>

#include "loops.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vnni"))), \
                             apply_to = function)

CK_INLINE uint32_t xor_lanes(__m512i x) {
  uint32_t lanes[16], all = 0;
  _mm512_storeu_si512(lanes, x);
  for (int l = 0; l < 16; l++) all ^= lanes[l];
  return all;
}

uint64_t ck_limit_read_avx512(const uint8_t *bytes, int64_t count) {
  __m512i sums[4];
  for (int s = 0; s < 4; s++) sums[s] = _mm512_setzero_si512();
  for (int64_t i = 0; i < count; i += 256)
    for (int s = 0; s < 4; s++)
      sums[s] = _mm512_xor_si512(sums[s], _mm512_load_si512(bytes + i + 64 * s));
  for (int s = 1; s < 4; s++) sums[0] = _mm512_xor_si512(sums[0], sums[s]);
  return xor_lanes(sums[0]);
}

uint32_t ck_limit_int8_avx512(int64_t rounds) {
  const __m512i w = _mm512_set1_epi8(7), x = _mm512_set1_epi8(-3);
  __m512i sums[CK_LIMIT_SUMS];
  for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm512_set1_epi32(s);
  for (int64_t i = 0; i < rounds; i++)
    for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm512_dpbusd_epi32(sums[s], w, x);
  for (int s = 1; s < CK_LIMIT_SUMS; s++) sums[0] = _mm512_xor_si512(sums[0], sums[s]);
  return xor_lanes(sums[0]);
}

uint32_t ck_limit_float32_avx512(int64_t rounds) {
  const __m512 w = _mm512_set1_ps(2), x = _mm512_set1_ps(0.5f);
  __m512 sums[CK_LIMIT_SUMS];
  for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm512_set1_ps((float)s);
  for (int64_t i = 0; i < rounds; i++)
    for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm512_fmadd_ps(w, x, sums[s]);
  for (int s = 1; s < CK_LIMIT_SUMS; s++) sums[0] = _mm512_add_ps(sums[0], sums[s]);
  return xor_lanes(_mm512_castps_si512(sums[0]));
}

#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vnni,avx512bf16"))), \
                             apply_to = function)

uint32_t ck_limit_bfloat16_avx512_bf16(int64_t rounds) {
  const __m512bh w = (__m512bh)_mm512_set1_epi16(0x4000), x = (__m512bh)_mm512_set1_epi16(0x3F00);
  __m512 sums[CK_LIMIT_SUMS];
  for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm512_set1_ps((float)s);
  for (int64_t i = 0; i < rounds; i++)
    for (int s = 0; s < CK_LIMIT_SUMS; s++) sums[s] = _mm512_dpbf16_ps(sums[s], w, x);
  for (int s = 1; s < CK_LIMIT_SUMS; s++) sums[0] = _mm512_add_ps(sums[0], sums[s]);
  return xor_lanes(_mm512_castps_si512(sums[0]));
}

#pragma clang attribute pop

#endif
