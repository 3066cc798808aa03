// 16 words of four bytes in one AVX-512 register, as latent attention reads them.

#ifndef CKERNELS_AVX512_WORDS_H
#define CKERNELS_AVX512_WORDS_H

#include "lanes.h"

/// Accumulators of a tile of scores, and of a tile of values.
enum { CK_SCORE_SLOTS = 8, CK_VALUE_LANES = 16 };

typedef __m512i words;
typedef __mmask16 word_mask;

CK_INLINE word_mask words_mask(uint32_t bits) { return (word_mask)bits; }
CK_INLINE words words_load(const void *p, word_mask mask) {
  return _mm512_maskz_loadu_epi32(mask, p);
}
CK_INLINE void words_store(void *p, words x) { _mm512_storeu_si512(p, x); }
CK_INLINE words words_zero(void) { return _mm512_setzero_si512(); }
CK_INLINE words words_broadcast(const void *p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}
CK_INLINE lanes words_as_lanes(words x) { return _mm512_castsi512_ps(x); }
CK_INLINE words lanes_as_words(lanes x) { return _mm512_castps_si512(x); }
/// The first and the second bfloat16 of each word.
CK_INLINE lanes words_first(words x) { return words_as_lanes(_mm512_slli_epi32(x, 16)); }
CK_INLINE lanes words_second(words x) {
  return words_as_lanes(_mm512_and_si512(x, _mm512_set1_epi32((int)0xFFFF0000)));
}
CK_INLINE words words_or(words a, words b) { return _mm512_or_si512(a, b); }
CK_INLINE words words_shift_left(words x, int bits) { return _mm512_slli_epi32(x, (unsigned)bits); }
CK_INLINE words words_subtract(words a, words b) { return _mm512_sub_epi32(a, b); }
CK_INLINE lanes words_to_floats(words x) { return _mm512_cvtepi32_ps(x); }

/// From [two tokens][two columns] of bfloat16 in each pair of words to [column][token].
CK_INLINE words words_turn_pairs(words x) {
  __m128i order = _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
  return _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(order));
}
/// From [four tokens][four columns] of int8 in each four words to [column][token].
CK_INLINE words words_turn_fours(words x) {
  __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(order));
}

/// `x` in lanes whose end lies behind slot `t`, `otherwise` in the others.
CK_INLINE lanes lanes_seen(const int32_t *ends, int64_t t, lanes x, lanes otherwise) {
  __mmask16 seen = _mm512_cmpgt_epi32_mask(_mm512_load_si512(ends), _mm512_set1_epi32((int)t));
  return _mm512_mask_mov_ps(otherwise, seen, x);
}
/// `x` where `size` is above a bound, zero elsewhere.
CK_INLINE lanes lanes_above(lanes size, float bound, lanes x) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(size, _mm512_set1_ps(bound), _CMP_GT_OQ), x);
}
CK_INLINE lanes lanes_load_all(const float *x) { return _mm512_loadu_ps(x); }
CK_INLINE void lanes_store_all(float *y, lanes x) { _mm512_storeu_ps(y, x); }

#ifdef CK_DOT_INT8
/// sum + four products of unsigned and signed bytes.
CK_INLINE words words_dot(words sum, words bytes, words signed_bytes) {
  return _mm512_dpbusd_epi32(sum, bytes, signed_bytes);
}
#else
CK_INLINE words words_dot(words sum, words bytes, words signed_bytes) {
  __m512i even = _mm512_and_si512(bytes, _mm512_set1_epi16(0xFF));
  __m512i odd = _mm512_srli_epi16(bytes, 8);
  __m512i signed_even = _mm512_srai_epi16(_mm512_slli_epi16(signed_bytes, 8), 8);
  __m512i signed_odd = _mm512_srai_epi16(signed_bytes, 8);
  sum = _mm512_add_epi32(sum, _mm512_madd_epi16(even, signed_even));
  return _mm512_add_epi32(sum, _mm512_madd_epi16(odd, signed_odd));
}
#endif

#ifdef CK_DOT_BFLOAT16
/// sum + two products of bfloat16, the second first, tiny numbers as zero.
CK_INLINE lanes words_dot_pairs(lanes sum, words a, words b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
/// The nearest bfloat16 of each number, in the lower half of a word.
CK_INLINE words lanes_to_halves(lanes x) {
  return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x));
}
/// The nearest bfloat16 of 32 numbers.
CK_INLINE words lanes_to_pairs(const float *x) {
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
}
/// The first `count` of 32 words that take turns between `a` and `b`.
CK_INLINE void words_store_turns(uint32_t *p, words a, words b, int64_t count) {
  const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  uint32_t there = count >= 32 ? 0xFFFFFFFFu : (1u << count) - 1;
  _mm512_mask_storeu_epi32(p, (__mmask16)there, _mm512_permutex2var_epi32(a, first, b));
  _mm512_mask_storeu_epi32(p + 16, (__mmask16)(there >> 16),
                           _mm512_permutex2var_epi32(a, second, b));
}
#endif

/// Turns a matrix of 16 x 16 words: row r of `from`, `stride` words apart, becomes column r.
CK_INLINE void words_transpose(const uint32_t *from, int64_t stride, uint32_t *to) {
  __m512i a[16], b[16];
  for (int r = 0; r < 16; r++) a[r] = _mm512_loadu_si512(from + r * stride);
  for (int r = 0; r < 16; r += 2) {
    b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
    b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
  }
  for (int r = 0; r < 16; r += 4) {
    a[r] = _mm512_unpacklo_epi64(b[r], b[r + 2]);
    a[r + 1] = _mm512_unpackhi_epi64(b[r], b[r + 2]);
    a[r + 2] = _mm512_unpacklo_epi64(b[r + 1], b[r + 3]);
    a[r + 3] = _mm512_unpackhi_epi64(b[r + 1], b[r + 3]);
  }
  // a[4 i + j] holds columns j, 4 + j, 8 + j, 12 + j of rows 4 i ... 4 i + 3.
  for (int j = 0; j < 4; j++) {
    __m512i low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
    __m512i high = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xDD);
    __m512i low2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
    __m512i high2 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xDD);
    _mm512_storeu_si512(to + j * 16, _mm512_shuffle_i32x4(low, low2, 0x88));
    _mm512_storeu_si512(to + (8 + j) * 16, _mm512_shuffle_i32x4(low, low2, 0xDD));
    _mm512_storeu_si512(to + (4 + j) * 16, _mm512_shuffle_i32x4(high, high2, 0x88));
    _mm512_storeu_si512(to + (12 + j) * 16, _mm512_shuffle_i32x4(high, high2, 0xDD));
  }
}

#include "../shared/broadcasts.h"

#endif
