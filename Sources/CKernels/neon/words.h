// 16 words of four bytes in four NEON registers, as latent attention reads them. Multiplications
// take one operand from any place of a register, so that neighbouring words are loaded together
// and never broadcast.

#ifndef CKERNELS_NEON_WORDS_H
#define CKERNELS_NEON_WORDS_H

#include "lanes.h"

enum {
  /// Accumulators of a tile of scores, and of a tile of values: four registers each, half of what
  /// there is. The other half holds 16 queries or columns, as pairs of bfloat16 twice that, and
  /// what they meet.
  CK_SCORE_SLOTS = 4,
  CK_VALUE_LANES = 4,
  /// Columns of a round of scores: the words of a register, whatever their elements.
  CK_SCORE_COLUMNS = 4,
  /// Dot products take two signed or two unsigned operands. Queries stay signed; latents become
  /// unsigned where they meet weights.
  CK_QUERY_ZERO = 0,
  CK_LATENT_ZERO = 128,
  /// Turning a group takes half the instructions of its products with a tile's weights.
  CK_TURNS_FIRST = 1,
};

typedef int32x4x4_t words;
/// Which of the 16 words exist.
typedef uint32_t word_mask;

CK_INLINE word_mask words_mask(uint32_t bits) { return bits; }
CK_INLINE words words_load_all(const int32_t *x) {
  return (words){{vld1q_s32(x), vld1q_s32(x + 4), vld1q_s32(x + 8), vld1q_s32(x + 12)}};
}
/// Words that do not exist are not read, and are zero.
CK_INLINE words words_load(const void *p, word_mask mask) {
  if (__builtin_expect(mask == 0xFFFF, 1)) return words_load_all(p);
  int32_t block[16];
#pragma clang loop unroll(disable) vectorize(disable)
  for (int i = 0; i < 16; i++) block[i] = mask >> i & 1 ? ((const int32_t *)p)[i] : 0;
  return words_load_all(block);
}
CK_INLINE void words_store(void *p, words x) {
  for (int v = 0; v < 4; v++) vst1q_s32((int32_t *)p + 4 * v, x.val[v]);
}
CK_INLINE words words_all(int32x4_t x) { return (words){{x, x, x, x}}; }
CK_INLINE words words_zero(void) { return words_all(vdupq_n_s32(0)); }
CK_INLINE words words_broadcast(const void *p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  return words_all(vdupq_n_s32(word));
}
CK_INLINE lanes words_as_lanes(words x) {
  lanes y;
  for (int v = 0; v < 4; v++) y.val[v] = vreinterpretq_f32_s32(x.val[v]);
  return y;
}
CK_INLINE words lanes_as_words(lanes x) {
  words y;
  for (int v = 0; v < 4; v++) y.val[v] = vreinterpretq_s32_f32(x.val[v]);
  return y;
}

CK_INLINE words words_or(words a, words b) {
  for (int v = 0; v < 4; v++) a.val[v] = vorrq_s32(a.val[v], b.val[v]);
  return a;
}
CK_INLINE words words_subtract(words a, words b) {
  for (int v = 0; v < 4; v++) a.val[v] = vsubq_s32(a.val[v], b.val[v]);
  return a;
}
CK_INLINE words words_shift_left(words x, int bits) {
  for (int v = 0; v < 4; v++) x.val[v] = vshlq_s32(x.val[v], vdupq_n_s32(bits));
  return x;
}
CK_INLINE lanes words_to_floats(words x) {
  lanes y;
  for (int v = 0; v < 4; v++) y.val[v] = vcvtq_f32_s32(x.val[v]);
  return y;
}

/// Place `i` of a register, in all lanes: a constant, which instructions name.
CK_INLINE words words_of_place(int32x4_t x, int i) {
  return words_all(i == 0   ? vdupq_laneq_s32(x, 0)
                   : i == 1 ? vdupq_laneq_s32(x, 1)
                   : i == 2 ? vdupq_laneq_s32(x, 2)
                            : vdupq_laneq_s32(x, 3));
}
CK_INLINE int32x4_t four_words(const void *p) { return vld1q_s32((const int32_t *)p); }
/// Number `i` of `count` neighbours, in all lanes; they are loaded by fours if they are so many.
CK_INLINE words words_nth(const void *p, int i, int count) {
  if (count % 4 != 0) return words_broadcast((const char *)p + 4 * i);
  return words_of_place(four_words((const char *)p + i / 4 * 16), i % 4);
}
CK_INLINE lanes lanes_nth(const float *x, int i, int count) {
  return words_as_lanes(words_nth(x, i, count));
}
/// The bfloat16 of word number `i` of four, in all lanes.
CK_INLINE lanes words_first_nth(const char *p, int i) {
  return words_as_lanes(words_of_place(vshlq_n_s32(four_words(p), 16), i));
}
CK_INLINE lanes words_second_nth(const char *p, int i) {
  int32x4_t seconds = vandq_s32(four_words(p), vdupq_n_s32((int32_t)0xFFFF0000));
  return words_as_lanes(words_of_place(seconds, i));
}

/// Bytes in another order; a number above 15 stands for zero.
CK_INLINE words words_bytes(words x, const uint8_t *order) {
  uint8x16_t places = vld1q_u8(order);
  for (int v = 0; v < 4; v++)
    x.val[v] = vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(x.val[v]), places));
  return x;
}
/// Of [two tokens][two columns] of bfloat16 in each pair of words, the columns of the first and of
/// the second token.
CK_INLINE lanes words_first_token(words x) {
  static const uint8_t order[16] = {16, 16, 0, 1, 16, 16, 2, 3, 16, 16, 8, 9, 16, 16, 10, 11};
  return words_as_lanes(words_bytes(x, order));
}
CK_INLINE lanes words_second_token(words x) {
  static const uint8_t order[16] = {16, 16, 4, 5, 16, 16, 6, 7, 16, 16, 12, 13, 16, 16, 14, 15};
  return words_as_lanes(words_bytes(x, order));
}

/// `x` in lanes whose end lies behind slot `t`, `otherwise` in the others.
CK_INLINE lanes lanes_seen(const int32_t *ends, int64_t t, lanes x, lanes otherwise) {
  int32x4_t slot = vdupq_n_s32((int32_t)t);
  for (int v = 0; v < 4; v++)
    x.val[v] = vbslq_f32(vcgtq_s32(vld1q_s32(ends + 4 * v), slot), x.val[v], otherwise.val[v]);
  return x;
}
/// `x` where `size` is above a bound, zero elsewhere.
CK_INLINE lanes lanes_above(lanes size, float bound, lanes x) {
  for (int v = 0; v < 4; v++) {
    uint32x4_t above = vcgtq_f32(size.val[v], vdupq_n_f32(bound));
    x.val[v] = vbslq_f32(above, x.val[v], vdupq_n_f32(0));
  }
  return x;
}
CK_INLINE lanes lanes_load_all(const float *x) { return lanes_load(x, 16); }
CK_INLINE void lanes_store_all(float *y, lanes x) { store_all(y, x); }

#ifdef CK_DOT_INT8
/// From [four tokens][four columns] of int8 in each four words to [column][token], as unsigned
/// bytes: 128 more.
CK_INLINE words words_turn_fours(words x) {
  static const uint8_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  x = words_bytes(x, order);
  for (int v = 0; v < 4; v++) x.val[v] = veorq_s32(x.val[v], vdupq_n_s32((int32_t)0x80808080));
  return x;
}
/// sum + four products of signed bytes.
CK_INLINE words words_dot_query(words sum, words query, words latents) {
  for (int v = 0; v < 4; v++)
    sum.val[v] = vdotq_s32(sum.val[v], vreinterpretq_s8_s32(query.val[v]),
                           vreinterpretq_s8_s32(latents.val[v]));
  return sum;
}
/// sum + four products of unsigned bytes.
CK_INLINE words words_dot_weights(words sum, words weights, words latents) {
  for (int v = 0; v < 4; v++)
    sum.val[v] = vreinterpretq_s32_u32(vdotq_u32(vreinterpretq_u32_s32(sum.val[v]),
                                                 vreinterpretq_u8_s32(latents.val[v]),
                                                 vreinterpretq_u8_s32(weights.val[v])));
  return sum;
}
#endif

/// Turns a matrix of 16 x 16 words: row r of `from`, `stride` words apart, becomes column r.
CK_INLINE void words_transpose(const uint32_t *from, int64_t stride, uint32_t *to) {
  for (int column = 0; column < 16; column++)
    for (int row = 0; row < 16; row++) to[column * 16 + row] = from[row * stride + column];
}

#endif
