// Latent attention over pages of int8, with the 16-lane vectors of one tier. Included once per
// tier, after its words. Whole numbers are exact, so only the steps in float32 follow an order.

#include "vector_attention.h"

/// Scores of 16 lanes for CK_SCORE_SLOTS slots from `slot` on, seen or not, without their factors:
/// the part of columns `from` to `to`.
CK_INLINE void whole_scores(const ck_panel_pass *pass, int part, int64_t from, int64_t to,
                            int64_t slot, words *sums) {
  const ck_latent_shape *shape = &pass->step->shape;
  int64_t columns = ck_columns(shape);
  const char *latents = (const char *)pass->step->page + (slot / 4 * columns + from) * 4;
  const int32_t *offsets = ck_factors_of(shape, pass->step->page)->offset[part] + slot;
  const char *query = pass->queries + from * 16;
#pragma unroll
  for (int t = 0; t < CK_SCORE_SLOTS; t++)
    sums[t] = CK_QUERY_ZERO == 0 ? words_zero() : words_broadcast(offsets + t);
  for (int64_t column = from; column < to; column += 4, latents += 16, query += 64) {
    words bytes = words_load(query, words_mask(0xFFFF));
#pragma unroll
    for (int t = 0; t < CK_SCORE_SLOTS; t++)
      sums[t] = words_dot_query(sums[t], bytes, words_nth(latents + t / 4 * columns * 4, t % 4, 4));
  }
}

CK_INLINE void score_tile(ck_panel_pass *pass, int64_t slot) {
  const ck_latent_shape *shape = &pass->step->shape;
  const ck_token_factors *factors = ck_factors_of(shape, pass->step->page);
  const float *query_factors = (const float *)(const void *)pass->queries + ck_query_words(shape);
  int64_t rank = ck_rank_columns(shape);
  words sums[CK_SCORE_SLOTS];
  lanes scores[CK_SCORE_SLOTS];
  lanes factor = lanes_load_all(query_factors);
  whole_scores(pass, 0, 0, rank, slot, sums);
#pragma unroll
  for (int t = 0; t < CK_SCORE_SLOTS; t++) {
    lanes both = lanes_multiply(lanes_broadcast(factors->scale[0][slot + t]), factor);
    scores[t] = lanes_multiply(both, words_to_floats(sums[t]));
  }
  factor = lanes_load_all(query_factors + CK_PANEL_LANES);
  whole_scores(pass, 1, rank, ck_columns(shape), slot, sums);
#pragma unroll
  for (int t = 0; t < CK_SCORE_SLOTS; t++) {
    lanes both = lanes_multiply(lanes_broadcast(factors->scale[1][slot + t]), factor);
    scores[t] = lanes_multiply_add(both, words_to_floats(sums[t]), scores[t]);
    lanes_store_all(pass->scores + (slot + t) * 16, scores[t]);
  }
}

/// Weights times latent factors, as bytes of which 255 is the largest of the lane.
CK_INLINE void round_weights(ck_panel_pass *pass) {
  const float *factors = ck_factors_of(&pass->step->shape, pass->step->page)->scale[0];
  lanes zero = lanes_broadcast(0.0f), full = lanes_broadcast(255.0f), largest = zero;
  for (int64_t t = pass->low; t < pass->high; t++) {
    float *weights = pass->scores + t * 16;
    lanes weight = lanes_multiply(lanes_load_all(weights), lanes_broadcast(factors[t]));
    weight = lanes_seen(pass->ends, t, weight, zero);
    lanes_store_all(weights, weight);
    largest = lanes_maximum(weight, largest);
  }
  lanes_store_all(pass->weight_scale, lanes_divide(largest, full));
  lanes inverse = lanes_above(largest, 0x1p-100f, lanes_divide(full, largest));
  lanes magic = lanes_broadcast(CK_ROUND_MAGIC);
  words total = words_zero();
  for (int64_t group = pass->low / 4; group * 4 < pass->high; group++) {
    words four = words_zero();
    for (int i = 0; i < 4; i++) {
      lanes scaled = lanes_multiply(lanes_load_all(pass->scores + (group * 4 + i) * 16), inverse);
      scaled = lanes_minimum(lanes_maximum(scaled, zero), full);
      words byte = words_subtract(lanes_as_words(lanes_add(scaled, magic)), lanes_as_words(magic));
      four = words_or(four, words_shift_left(byte, 8 * i));
      total = words_subtract(total, byte);
    }
    words_store(pass->weights + group * 16, four);
  }
  if (CK_LATENT_ZERO == 128) words_store(pass->starts, words_shift_left(total, 7));
}

/// 16 columns of what the panel sees, turned for the products with weights.
CK_INLINE void turn_columns(const ck_panel_pass *pass, int64_t column, words *turned) {
  int64_t columns = ck_columns(&pass->step->shape);
  const char *latents = (const char *)pass->step->page + column * 4;
  word_mask there = words_mask(words_there(columns - column));
  for (int64_t group = pass->low / 4; group * 4 < pass->high; group++)
    turned[group] = words_turn_fours(words_load(latents + group * columns * 4, there));
}

/// 16 columns of `count` lanes from `lane` on.
CK_INLINE void value_tile(ck_panel_pass *pass, const words *turned, int64_t column, int64_t lane,
                          int count) {
  const ck_latent_shape *shape = &pass->step->shape;
  int64_t columns = ck_columns(shape);
  const char *latents = (const char *)pass->step->page + column * 4;
  word_mask there = words_mask(words_there(columns - column));
  lane_mask mask = lanes_mask(shape->rank - column);
  words sums[CK_VALUE_LANES];
#pragma unroll
  for (int h = 0; h < count; h++)
    sums[h] = CK_LATENT_ZERO == 0 ? words_zero() : words_broadcast(&pass->starts[lane + h]);
  for (int64_t group = pass->low / 4; group * 4 < pass->high; group++) {
    words stored = CK_TURNS_FIRST
                       ? turned[group]
                       : words_turn_fours(words_load(latents + group * columns * 4, there));
#pragma unroll
    for (int h = 0; h < count; h++)
      sums[h] = words_dot_weights(
          sums[h], words_nth(&pass->weights[group * 16 + lane], h, count), stored);
  }
#pragma unroll
  for (int h = 0; h < count; h++) {
    lanes scale = lanes_broadcast(pass->weight_scale[lane + h]);
    lanes sum = lanes_multiply_add(scale, words_to_floats(sums[h]),
                                   sum_before(pass, lane + h, column, mask));
    lanes_store(pass->sums + (lane + h) * shape->rank + column, sum, mask);
  }
}

static void int8_panel(ck_panel_pass *pass) {
  for (int64_t t = pass->low / CK_SCORE_SLOTS * CK_SCORE_SLOTS; t < pass->high; t += CK_SCORE_SLOTS)
    score_tile(pass, t);
  softmax(pass, 4);
  round_weights(pass);
  words turned[CK_PAGE_SLOTS / 4];
  for (int64_t column = 0; column < pass->step->shape.rank; column += 16) {
    prefetch_rest(pass, column + 16);
    if (CK_TURNS_FIRST) turn_columns(pass, column, turned);
    CK_FOR_VALUE_LANES(pass, value_tile, turned, column);
  }
}

void CK_NAME(ck_attention_step_int8)(const ck_attention_step *step) {
  ck_each_panel(step, int8_panel);
}

void CK_NAME(ck_attention_pack_int8)(const ck_latent_shape *shape, ck_rows queries, void *panel) {
  pack_panel(shape, CK_ATTEND_INT8, queries, panel);
}
