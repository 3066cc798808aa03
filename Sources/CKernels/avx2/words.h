// 16 words of four bytes in two AVX registers, as latent attention reads them.

#ifndef CKERNELS_AVX2_WORDS_H
#define CKERNELS_AVX2_WORDS_H

#include "lanes.h"

/// Accumulators of a tile of scores, and of a tile of values: two registers each.
enum { CK_SCORE_SLOTS = 4, CK_VALUE_LANES = 4 };

typedef struct {
  __m256i low, high;
} words;
typedef words word_mask;

CK_INLINE word_mask words_mask(uint32_t bits) {
  __m256i low = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), high = _mm256_slli_epi32(low, 8);
  __m256i all = _mm256_set1_epi32((int)bits);
  return (words){_mm256_cmpeq_epi32(_mm256_and_si256(all, low), low),
                 _mm256_cmpeq_epi32(_mm256_and_si256(all, high), high)};
}
CK_INLINE words words_load(const void *p, word_mask mask) {
  return (words){_mm256_maskload_epi32((const int *)p, mask.low),
                 _mm256_maskload_epi32((const int *)p + 8, mask.high)};
}
CK_INLINE void words_store(void *p, words x) {
  _mm256_storeu_si256((__m256i *)p, x.low);
  _mm256_storeu_si256((__m256i *)p + 1, x.high);
}
CK_INLINE words words_both(__m256i x) { return (words){x, x}; }
CK_INLINE words words_zero(void) { return words_both(_mm256_setzero_si256()); }
CK_INLINE words words_broadcast(const void *p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  return words_both(_mm256_set1_epi32(word));
}
CK_INLINE lanes words_as_lanes(words x) {
  return (lanes){_mm256_castsi256_ps(x.low), _mm256_castsi256_ps(x.high)};
}
CK_INLINE words lanes_as_words(lanes x) {
  return (words){_mm256_castps_si256(x.low), _mm256_castps_si256(x.high)};
}

#define CK_WORDWISE(name, operation)                                                 \
  CK_INLINE words name(words a, words b) {                                           \
    return (words){operation(a.low, b.low), operation(a.high, b.high)};              \
  }
CK_WORDWISE(words_or, _mm256_or_si256)
CK_WORDWISE(words_and, _mm256_and_si256)
CK_WORDWISE(words_subtract, _mm256_sub_epi32)
CK_WORDWISE(words_shuffle, _mm256_shuffle_epi8)

CK_INLINE words words_shift_left(words x, int bits) {
  return (words){_mm256_slli_epi32(x.low, bits), _mm256_slli_epi32(x.high, bits)};
}
/// The first and the second bfloat16 of each word.
CK_INLINE lanes words_first(words x) { return words_as_lanes(words_shift_left(x, 16)); }
CK_INLINE lanes words_second(words x) {
  return words_as_lanes(words_and(x, words_both(_mm256_set1_epi32((int)0xFFFF0000))));
}
CK_INLINE lanes words_to_floats(words x) {
  return (lanes){_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)};
}

/// From [two tokens][two columns] of bfloat16 in each pair of words to [column][token].
CK_INLINE words words_turn_pairs(words x) {
  return words_shuffle(
      x, words_both(_mm256_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15, 0, 1, 4,
                                     5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15)));
}
/// From [four tokens][four columns] of int8 in each four words to [column][token].
CK_INLINE words words_turn_fours(words x) {
  return words_shuffle(
      x, words_both(_mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8,
                                     12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
}

/// `x` in lanes whose end lies behind slot `t`, `otherwise` in the others.
CK_INLINE lanes lanes_seen(const int32_t *ends, int64_t t, lanes x, lanes otherwise) {
  __m256i slot = _mm256_set1_epi32((int)t);
  __m256i low = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)ends), slot);
  __m256i high = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)ends + 1), slot);
  return (lanes){_mm256_blendv_ps(otherwise.low, x.low, _mm256_castsi256_ps(low)),
                 _mm256_blendv_ps(otherwise.high, x.high, _mm256_castsi256_ps(high))};
}
/// `x` where `size` is above a bound, zero elsewhere.
CK_INLINE lanes lanes_above(lanes size, float bound, lanes x) {
  __m256 least = _mm256_set1_ps(bound);
  return (lanes){_mm256_and_ps(x.low, _mm256_cmp_ps(size.low, least, _CMP_GT_OQ)),
                 _mm256_and_ps(x.high, _mm256_cmp_ps(size.high, least, _CMP_GT_OQ))};
}
CK_INLINE lanes lanes_load_all(const float *x) {
  return (lanes){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}
CK_INLINE void lanes_store_all(float *y, lanes x) {
  _mm256_storeu_ps(y, x.low);
  _mm256_storeu_ps(y + 8, x.high);
}

CK_INLINE __m256i dot_bytes(__m256i sum, __m256i bytes, __m256i signed_bytes) {
  __m256i even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xFF));
  __m256i odd = _mm256_srli_epi16(bytes, 8);
  __m256i signed_even = _mm256_srai_epi16(_mm256_slli_epi16(signed_bytes, 8), 8);
  __m256i signed_odd = _mm256_srai_epi16(signed_bytes, 8);
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, signed_even));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(odd, signed_odd));
}
/// sum + four products of unsigned and signed bytes.
CK_INLINE words words_dot(words sum, words bytes, words signed_bytes) {
  return (words){dot_bytes(sum.low, bytes.low, signed_bytes.low),
                 dot_bytes(sum.high, bytes.high, signed_bytes.high)};
}

/// Turns a matrix of 16 x 16 words: row r of `from`, `stride` words apart, becomes column r.
CK_INLINE void words_transpose(const uint32_t *from, int64_t stride, uint32_t *to) {
  for (int column = 0; column < 16; column++)
    for (int row = 0; row < 16; row++) to[column * 16 + row] = from[row * stride + column];
}

#include "../shared/broadcasts.h"

#endif
