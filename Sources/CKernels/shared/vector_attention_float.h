// Latent attention over float32 and bfloat16 pages, with the 16-lane vectors of one tier. Included
// once per tier, after its words. Each sum sees its products in the order of scalar/attention.c.

#include "vector_attention.h"

/// Adds the products of a query's word, or of its two elements, with word number `i` of four.
CK_INLINE lanes add_words(ck_attention_form form, lanes sum, lanes first, lanes second,
                          const char *latents, int i) {
  if (form == CK_ATTEND_FLOAT32)
    return lanes_multiply_add(first, words_as_lanes(words_nth(latents, i, 4)), sum);
#ifdef CK_DOT_BFLOAT16
  if (form == CK_ATTEND_ROUNDED)
    return words_dot_pairs(sum, lanes_as_words(first), words_nth(latents, i, 4));
#endif
  sum = lanes_multiply_add(second, words_second_nth(latents, i), sum);
  return lanes_multiply_add(first, words_first_nth(latents, i), sum);
}

/// Scores of 16 lanes for CK_SCORE_SLOTS slots from `slot` on, seen or not.
CK_INLINE void score_tile(ck_panel_pass *pass, ck_attention_form form, int64_t slot) {
  const ck_latent_shape *shape = &pass->step->shape;
  int64_t g = ck_word_elements(form), columns = ck_columns(shape);
  const char *latents = (const char *)pass->step->page + slot / g * columns * 4;
  const char *query = pass->queries;
  lanes sums[CK_SCORE_SLOTS];
#pragma unroll
  for (int t = 0; t < CK_SCORE_SLOTS; t++) sums[t] = lanes_broadcast(0.0f);
  int64_t round = g > CK_SCORE_COLUMNS ? g : CK_SCORE_COLUMNS;
  int64_t keys = ck_key_columns(shape);
  for (int64_t column = 0; column < keys; column += round, latents += 4 * round) {
#pragma unroll
    for (int64_t u = 0; u < round; u += g) {
      lanes first = lanes_load_all((const float *)(const void *)query), second = first;
      query += 64;
      if (form == CK_ATTEND_BFLOAT16) {
        second = lanes_load_all((const float *)(const void *)query);
        query += 64;
      }
#pragma unroll
      for (int t = 0; t < CK_SCORE_SLOTS; t++)
        sums[t] = add_words(form, sums[t], first, second, latents + t / g * columns * 4,
                            (int)(u + t % g));
    }
  }
#pragma unroll
  for (int t = 0; t < CK_SCORE_SLOTS; t++) lanes_store_all(pass->scores + (slot + t) * 16, sums[t]);
}

/// Which words of a group belong to slots that somebody sees: tokens take turns.
CK_INLINE uint32_t words_seen(const ck_panel_pass *pass, int64_t group, int64_t g) {
  if (g == 1) return 0xFFFF;
  return (2 * group >= pass->low ? 0x5555u : 0) | (2 * group + 1 < pass->high ? 0xAAAAu : 0);
}

/// Adds one group of slots to the sums of `count` lanes from `lane` on, for 16 columns.
CK_INLINE void add_group(const ck_panel_pass *pass, ck_attention_form form, lanes *sums,
                         const char *latents, word_mask mask, int64_t group, int64_t lane,
                         int count) {
  words stored = words_load(latents, mask);
#ifdef CK_DOT_BFLOAT16
  if (form == CK_ATTEND_ROUNDED) {
    stored = words_turn_pairs(stored);
#pragma unroll
    for (int h = 0; h < count; h++) {
      words weights = words_broadcast(&pass->weights[group * 16 + lane + h]);
      sums[h] = words_dot_pairs(sums[h], stored, weights);
    }
    return;
  }
#endif
  const float *weights = pass->scores + group * ck_word_elements(form) * 16 + lane;
  lanes first, second;
  if (form == CK_ATTEND_FLOAT32) {
    first = words_as_lanes(stored);
  } else {
    first = words_first_token(stored);
    second = words_second_token(stored);
  }
#pragma unroll
  for (int h = 0; h < count; h++) {
    if (form != CK_ATTEND_FLOAT32)
      sums[h] = lanes_multiply_add(lanes_nth(weights + 16, h, count), second, sums[h]);
    sums[h] = lanes_multiply_add(lanes_nth(weights, h, count), first, sums[h]);
  }
}

/// 16 columns of the sums of `count` lanes from `lane` on.
CK_INLINE void value_tile(ck_panel_pass *pass, ck_attention_form form, int64_t column,
                          int64_t lane, int count) {
  const ck_latent_shape *shape = &pass->step->shape;
  int64_t g = ck_word_elements(form), columns = ck_columns(shape);
  const char *latents = (const char *)pass->step->page + (pass->summed + column) * 4;
  uint32_t there = words_there(columns - pass->summed - column);
  lane_mask mask = lanes_mask(pass->width - column);
  lanes sums[CK_VALUE_LANES];
#pragma unroll
  for (int h = 0; h < count; h++) sums[h] = sum_before(pass, lane + h, column, mask);
  // Only the first and the last group have slots that nobody sees, perhaps never written.
  int64_t group = pass->low / g, last = (pass->high - 1) / g;
  int64_t stride = columns * 4;
  add_group(pass, form, sums, latents + group * stride,
            words_mask(there & words_seen(pass, group, g)), group, lane, count);
  word_mask whole = words_mask(there);
  int prefetches = lane == 0 && pass->ahead != NULL;
  for (group++; group < last; group++) {
    if (prefetches) prefetch_line(pass);
    add_group(pass, form, sums, latents + group * stride, whole, group, lane, count);
  }
  if (group == last)
    add_group(pass, form, sums, latents + group * stride,
              words_mask(there & words_seen(pass, group, g)), group, lane, count);
#pragma unroll
  for (int h = 0; h < count; h++)
    lanes_store(pass->sums + (lane + h) * pass->width + column, sums[h], mask);
}

CK_INLINE void panel_of_form(ck_panel_pass *pass, ck_attention_form form) {
  int64_t g = ck_word_elements(form);
  for (int64_t t = pass->low / CK_SCORE_SLOTS * CK_SCORE_SLOTS; t < pass->high; t += CK_SCORE_SLOTS)
    score_tile(pass, form, t);
  softmax(pass, g);
#ifdef CK_DOT_BFLOAT16
  if (form == CK_ATTEND_ROUNDED) {
    for (int64_t group = pass->low / g; group * g < pass->high; group++) {
      const float *pair = pass->scores + group * 32;
      words first = lanes_to_halves(lanes_load_all(pair));
      words second = lanes_to_halves(lanes_load_all(pair + 16));
      words_store(pass->weights + group * 16, words_or(first, words_shift_left(second, 16)));
    }
  }
#endif
  for (int64_t column = 0; column < pass->width; column += 16) {
    prefetch_rest(pass, column);
    CK_FOR_VALUE_LANES(pass, value_tile, form, column);
  }
}

#ifdef CK_DOT_BFLOAT16

static void rounded_panel(ck_panel_pass *pass) { panel_of_form(pass, CK_ATTEND_ROUNDED); }

void CK_NAME(ck_attention_step_rounded)(const ck_attention_step *step) {
  ck_each_panel(step, rounded_panel);
}

void CK_NAME(ck_attention_pack_rounded)(const ck_latent_shape *shape, ck_rows queries,
                                        void *panel) {
  pack_panel(shape, CK_ATTEND_ROUNDED, queries, panel);
}

void CK_NAME(ck_attention_fill_rounded)(const ck_latent_shape *shape, ck_rows tokens, void *page) {
  fill_page(shape, tokens, page);
}

#else

static void float32_panel(ck_panel_pass *pass) { panel_of_form(pass, CK_ATTEND_FLOAT32); }
static void bfloat16_panel(ck_panel_pass *pass) { panel_of_form(pass, CK_ATTEND_BFLOAT16); }

void CK_NAME(ck_attention_step_float)(const ck_attention_step *step) {
  if (step->shape.form == CK_ATTEND_FLOAT32)
    ck_each_panel(step, float32_panel);
  else
    ck_each_panel(step, bfloat16_panel);
}

void CK_NAME(ck_attention_pack_float)(const ck_latent_shape *shape, ck_rows queries, void *panel) {
  pack_panel(shape, CK_ATTEND_FLOAT32, queries, panel);
}

void CK_NAME(ck_attention_merge)(const ck_attention_merge *m) { merge(m); }

#endif
