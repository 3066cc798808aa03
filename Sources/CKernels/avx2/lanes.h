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

/// 8 accumulators of the tile (two registers each in the wider direction) fit the 16 registers.
enum { CK_TILE_OUTPUTS = 2, CK_TILE_ROWS = 2, CK_SINGLE_ROW_OUTPUTS = 4 };

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
CK_INLINE lanes lanes_select(lane_mask mask, lanes x, lanes otherwise) {
  if (mask == 16) return x;
  float block[16];
  lanes_store(block, otherwise, 16);
  lanes_store(block, x, mask);
  return lanes_load(block, 16);
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

/// The sums of four vectors, side by side: every stage of `lanes_sum` for all four at once.
CK_INLINE void lanes_store_sums(float *y, lanes a, lanes b, lanes c, lanes d) {
  ck_store_sums_of_eights(y, _mm256_add_ps(a.low, a.high), _mm256_add_ps(b.low, b.high),
                          _mm256_add_ps(c.low, c.high), _mm256_add_ps(d.low, d.high));
}

CK_INLINE __m256 widen_bfloat16(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

CK_INLINE __m256 widen_float8(__m128i bytes) {
  __m256i wide = _mm256_cvtepu8_epi32(bytes);
  __m256i magnitude = _mm256_and_si256(wide, _mm256_set1_epi32(0x7F));
  __m256i sign = _mm256_slli_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(0x80)), 24);
  __m256 value = _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(magnitude, 20)),
                               _mm256_set1_ps(0x1p120f));
  __m256i nan = _mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7F));
  value = _mm256_blendv_ps(value, _mm256_castsi256_ps(_mm256_set1_epi32(0x7FC00000)),
                           _mm256_castsi256_ps(nan));
  return _mm256_castsi256_ps(_mm256_or_si256(_mm256_castps_si256(value), sign));
}

CK_INLINE int64_t bytes_per_element(ck_format format) {
  return format == CK_FLOAT32 ? 4 : format == CK_FLOAT8_E4M3 ? 1 : 2;
}

/// 16 stored elements from `index` on; those outside the mask are not touched and read as zero.
CK_INLINE lanes lanes_decode(ck_format format, const void *elements, int64_t index,
                             lane_mask mask) {
  char block[64] = {0};
  int64_t width = bytes_per_element(format);
  const char *bytes = (const char *)elements + index * width;
  if (mask < 16) {
    memcpy(block, bytes, (size_t)(mask * width));
    bytes = block;
  }
  if (format == CK_FLOAT32) return lanes_load((const float *)(const void *)bytes, 16);
  __m128i first = _mm_loadu_si128((const __m128i *)(const void *)bytes);
  if (format == CK_FLOAT8_E4M3)
    return (lanes){widen_float8(first), widen_float8(_mm_unpackhi_epi64(first, first))};
  __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 16));
  if (format == CK_FLOAT16) return (lanes){_mm256_cvtph_ps(first), _mm256_cvtph_ps(second)};
  return (lanes){widen_bfloat16(first), widen_bfloat16(second)};
}

/// Two neighbours per lane: elements 2 l and 2 l + 1 of 32.
typedef struct {
  lanes first, second;
} lane_pair;

/// Every second of 16 elements, from the first (selector 0x88) or the second (0xDD).
#define CK_EVERY_SECOND(a, b, selector)                    \
  _mm256_castpd_ps(_mm256_permute4x64_pd(                  \
      _mm256_castps_pd(_mm256_shuffle_ps(a, b, selector)), 0xD8))

/// 32 elements; those from `left` on are not touched and read as zero.
CK_INLINE lane_pair pair_load(const float *x, int64_t left) {
  lanes a = lanes_load(x, lanes_mask(left));
  lanes b = lanes_load(x + 16, lanes_mask(left > 16 ? left - 16 : 0));
  return (lane_pair){
      {CK_EVERY_SECOND(a.low, a.high, 0x88), CK_EVERY_SECOND(b.low, b.high, 0x88)},
      {CK_EVERY_SECOND(a.low, a.high, 0xDD), CK_EVERY_SECOND(b.low, b.high, 0xDD)}};
}

/// The same of bfloat16.
CK_INLINE lane_pair pair_decode(const uint16_t *w, int64_t left) {
  uint16_t block[32] = {0};
  if (left < 32) {
    memcpy(block, w, (size_t)left * sizeof *w);
    w = block;
  }
  __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)w);
  __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(w + 16));
  __m256i second = _mm256_set1_epi32((int)0xFFFF0000);
  return (lane_pair){
      {_mm256_castsi256_ps(_mm256_slli_epi32(low, 16)),
       _mm256_castsi256_ps(_mm256_slli_epi32(high, 16))},
      {_mm256_castsi256_ps(_mm256_and_si256(low, second)),
       _mm256_castsi256_ps(_mm256_and_si256(high, second))}};
}

typedef lane_pair rounded_pairs;
enum { CK_WIDE_ROUNDED_ROWS = 1 };

/// bfloat16 in the lower half of each dword.
CK_INLINE __m256i round_bfloat16(__m256 x) {
  __m256i bits = _mm256_castps_si256(x);
  __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i sum = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), even);
  __m256 sign = _mm256_and_ps(x, _mm256_set1_ps(-0.0f));
  __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
  __m256 tiny = _mm256_cmp_ps(size, _mm256_set1_ps(0x1p-126f), _CMP_LT_OQ);
  __m256 rounded = _mm256_blendv_ps(_mm256_castsi256_ps(sum), sign, tiny);
  __m256i nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
  rounded = _mm256_blendv_ps(rounded, _mm256_castsi256_ps(nan), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_srli_epi32(_mm256_castps_si256(rounded), 16);
}
CK_INLINE void store_halves(uint16_t *y, lanes x) {
  __m256i packed = _mm256_packus_epi32(round_bfloat16(x.low), round_bfloat16(x.high));
  _mm256_storeu_si256((__m256i *)(void *)y, _mm256_permute4x64_epi64(packed, 0xD8));
}
/// Rounds 32 elements; those from `left` on are not touched and become zero.
CK_INLINE void rounded_store(uint16_t *y, const float *x, int64_t left) {
  store_halves(y, lanes_load(x, lanes_mask(left)));
  store_halves(y + 16, lanes_load(x + 16, lanes_mask(left > 16 ? left - 16 : 0)));
}
CK_INLINE rounded_pairs rounded_load(const uint16_t *w, int64_t left) {
  return pair_decode(w, left);
}
CK_INLINE lanes rounded_multiply_add(rounded_pairs a, rounded_pairs b, lanes sum) {
  return lanes_multiply_add(a.first, b.first, lanes_multiply_add(a.second, b.second, sum));
}

#endif
