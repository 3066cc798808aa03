// How latent attention meets words in the tiers that broadcast what they load and whose dot
// products of bytes take unsigned and signed ones. Included at the end of a tier's words.

#ifndef CKERNELS_BROADCASTS_H
#define CKERNELS_BROADCASTS_H

enum {
  /// Columns of a round of scores; a round takes a whole word at least.
  CK_SCORE_COLUMNS = 1,
  /// What makes a query's bytes unsigned, and what makes latents' where they meet weights.
  CK_QUERY_ZERO = 128,
  CK_LATENT_ZERO = 0,
  /// Whether latents of int8 are turned once for all tiles of values; else by each of them.
  CK_TURNS_FIRST = 0,
};

/// Number `i` of `count` neighbours, in all lanes.
CK_INLINE words words_nth(const void *p, int i, int count) {
  (void)count;
  return words_broadcast((const char *)p + 4 * i);
}
CK_INLINE lanes lanes_nth(const float *x, int i, int count) {
  (void)count;
  return lanes_broadcast(x[i]);
}
/// The bfloat16 of word number `i` of four, in all lanes.
CK_INLINE lanes words_first_nth(const char *p, int i) { return words_first(words_nth(p, i, 4)); }
CK_INLINE lanes words_second_nth(const char *p, int i) { return words_second(words_nth(p, i, 4)); }

/// 16 columns of the first and the second of two tokens of bfloat16, as they are stored.
CK_INLINE lanes words_first_token(words x) { return words_first(words_turn_pairs(x)); }
CK_INLINE lanes words_second_token(words x) { return words_second(words_turn_pairs(x)); }

/// sum + the products of four bytes, a query's or weights', with those of latents.
CK_INLINE words words_dot_query(words sum, words query, words latents) {
  return words_dot(sum, query, latents);
}
CK_INLINE words words_dot_weights(words sum, words weights, words latents) {
  return words_dot(sum, weights, latents);
}

#endif
