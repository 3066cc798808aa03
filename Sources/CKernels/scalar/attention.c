// The definition of latent attention, and the fallback for processors without a faster tier.

#include <math.h>

#include "../shared/attention.h"

#pragma STDC FP_CONTRACT OFF

static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x; }

static uint16_t rounded(float x) {
  uint16_t half;
  x = flushed(x);
  ck_encode_bfloat16(&x, 1, &half);
  return half;
}

static uint32_t word_at(const void *words, int64_t index) {
  uint32_t word;
  memcpy(&word, (const char *)words + index * 4, sizeof word);
  return word;
}

/// Element `i` of a word of bfloat16, or of int8.
static float half_of(uint32_t word, int i) {
  return ck_float_of_bits(i == 0 ? word << 16 : word & 0xFFFF0000u);
}
static int32_t byte_of(uint32_t word, int i) { return (int8_t)(word >> (8 * i)); }

static float query_at(ck_rows queries, int64_t lane, int64_t k) {
  return lane < queries.count ? queries.elements[lane * queries.stride + k] : 0.0f;
}

static void pack(const ck_latent_shape *shape, ck_rows queries, uint32_t *panel) {
  int64_t g = shape->form == CK_ATTEND_ROUNDED ? 2 : 1;
  memset(panel, 0, (size_t)ck_panel_words(shape) * 4);
  for (int64_t k = 0; k < shape->rank + shape->rope; k++) {
    int64_t column = ck_column_of(shape, k);
    for (int64_t lane = 0; lane < CK_PANEL_LANES; lane++) {
      uint32_t *word = &panel[column / g * CK_PANEL_LANES + lane];
      float x = query_at(queries, lane, k);
      *word |= g == 1 ? ck_bits_of_float(x) : (uint32_t)rounded(x) << (16 * (column % 2));
    }
  }
}

void ck_attention_pack_float_scalar(const ck_latent_shape *shape, ck_rows queries, void *panel) {
  pack(shape, queries, panel);
}
void ck_attention_pack_rounded_scalar(const ck_latent_shape *shape, ck_rows queries, void *panel) {
  pack(shape, queries, panel);
}

void ck_attention_pack_int8_scalar(const ck_latent_shape *shape, ck_rows queries, void *panel) {
  uint32_t *words = panel;
  float *scales = (float *)panel + ck_query_words(shape);
  memset(panel, 0, (size_t)ck_panel_words(shape) * 4);
  for (int64_t i = 0; i < ck_query_words(shape); i++) words[i] = 0x80808080u;
  for (int64_t lane = 0; lane < queries.count; lane++) {
    const float *x = queries.elements + lane * queries.stride;
    ck_byte_scale scale[2] = {ck_byte_scale_of(x, shape->rank),
                              ck_byte_scale_of(x + shape->rank, shape->rope)};
    for (int part = 0; part < 2; part++) scales[part * CK_PANEL_LANES + lane] = scale[part].scale;
    for (int64_t k = 0; k < shape->rank + shape->rope; k++) {
      int64_t column = ck_column_of(shape, k);
      uint32_t byte = (uint32_t)ck_to_byte(x[k], scale[k >= shape->rank]) & 0xFF;
      words[column / 4 * CK_PANEL_LANES + lane] ^= byte << (8 * (column % 4));
    }
  }
}

void ck_attention_fill_float_scalar(const ck_latent_shape *shape, ck_rows tokens, void *page) {
  for (int64_t slot = 0; slot < CK_PAGE_SLOTS; slot++)
    ck_latent_encode(shape, tokens.elements + slot * tokens.stride, slot, page);
}

void ck_attention_fill_rounded_scalar(const ck_latent_shape *shape, ck_rows tokens, void *page) {
  uint32_t *words = page;
  ck_attention_fill_float_scalar(shape, tokens, page);
  for (int64_t i = 0; i < CK_PAGE_SLOTS / 2 * ck_columns(shape); i++)
    words[i] = (uint32_t)rounded(half_of(words[i], 0)) |
               (uint32_t)rounded(half_of(words[i], 1)) << 16;
}

/// One query against one slot.
static float score(const ck_panel_pass *pass, int64_t slot, int64_t lane) {
  const ck_latent_shape *shape = &pass->step->shape;
  float sum = 0;
  for (int64_t column = 0; column < ck_key_columns(shape); column++) {
    uint32_t latent = word_at(pass->step->page, ck_word_of(shape, slot, column));
    // Of a pair the second comes first.
    int64_t k = shape->form == CK_ATTEND_FLOAT32 ? column : column ^ 1;
    if (shape->form == CK_ATTEND_ROUNDED) {
      uint32_t query = word_at(pass->queries, k / 2 * CK_PANEL_LANES + lane);
      float input = flushed(half_of(latent, (int)(k % 2)));
      sum = flushed(fmaf(half_of(query, (int)(k % 2)), input, sum));
    } else {
      float query = ck_float_of_bits(word_at(pass->queries, k * CK_PANEL_LANES + lane));
      float input = shape->form == CK_ATTEND_FLOAT32 ? ck_float_of_bits(latent)
                                                     : half_of(latent, (int)(k % 2));
      sum = fmaf(query, input, sum);
    }
  }
  return sum;
}

/// The same in whole numbers, then with the factors of latent and rope key.
static float score_int8(const ck_panel_pass *pass, int64_t slot, int64_t lane) {
  const ck_latent_shape *shape = &pass->step->shape;
  const ck_token_factors *factors = ck_factors_of(shape, pass->step->page);
  const char *scales = pass->queries + ck_query_words(shape) * 4;
  float score = 0;
  for (int part = 0; part < 2; part++) {
    int64_t begin = part == 0 ? 0 : ck_rank_columns(shape);
    int64_t end = part == 0 ? ck_rank_columns(shape) : ck_columns(shape);
    int32_t sum = factors->offset[part][slot];
    for (int64_t column = begin; column < end; column++) {
      uint32_t query = word_at(pass->queries, column / 4 * CK_PANEL_LANES + lane);
      uint32_t latent = word_at(pass->step->page, ck_word_of(shape, slot, column));
      int i = (int)(column % 4);
      sum += (int32_t)(query >> (8 * i) & 0xFF) * byte_of(latent, i);
    }
    float factor = factors->scale[part][slot] *
                   ck_float_of_bits(word_at(scales, part * CK_PANEL_LANES + lane));
    score = part == 0 ? factor * (float)sum : fmaf(factor, (float)sum, score);
  }
  return score;
}

static void softmax(ck_panel_pass *pass, int64_t lane) {
  float *maximum = &pass->state[lane], *sum = &pass->state[CK_PANEL_LANES + lane];
  float highest = *maximum, added = 0;
  for (int64_t t = pass->low; t < pass->ends[lane]; t++) {
    float s = pass->scores[t * CK_PANEL_LANES + lane] * pass->step->scale;
    pass->scores[t * CK_PANEL_LANES + lane] = s;
    highest = s > highest ? s : highest;
  }
  pass->carry[lane] = ck_exp(*maximum - highest);
  for (int64_t t = 0; t < CK_PAGE_SLOTS; t++) {
    float *score = &pass->scores[t * CK_PANEL_LANES + lane];
    int isSeen = t >= pass->low && t < pass->ends[lane];
    *score = isSeen ? ck_exp(*score - highest) : 0.0f;
    added += *score;
  }
  *sum = fmaf(pass->carry[lane], *sum, added);
  *maximum = highest;
}

/// One lane's weights times one column.
static float weighted(const ck_panel_pass *pass, int64_t lane, int64_t column, float sum) {
  const ck_latent_shape *shape = &pass->step->shape;
  int64_t g = ck_word_elements(shape->form);
  int isRounded = shape->form == CK_ATTEND_ROUNDED;
  if (isRounded) sum = flushed(sum);
  for (int64_t i = pass->low / g * g; i < (pass->high + g - 1) / g * g; i++) {
    int64_t t = g == 1 ? i : i ^ 1;
    uint32_t word = word_at(pass->step->page, ck_word_of(shape, t, column));
    float latent = g == 1 ? ck_float_of_bits(word) : half_of(word, (int)(column % 2));
    if (t < pass->low || t >= pass->high) latent = 0;
    float weight = pass->scores[t * CK_PANEL_LANES + lane];
    if (isRounded) weight = ck_float_of_bits((uint32_t)rounded(weight) << 16);
    sum = fmaf(weight, isRounded ? flushed(latent) : latent, sum);
    if (isRounded) sum = flushed(sum);
  }
  return sum;
}

static void panel_float(ck_panel_pass *pass) {
  for (int64_t lane = 0; lane < pass->lanes; lane++) {
    for (int64_t t = pass->low; t < pass->high; t++)
      pass->scores[t * CK_PANEL_LANES + lane] = score(pass, t, lane);
    softmax(pass, lane);
    for (int64_t column = 0; column < pass->width; column++) {
      float *sum = &pass->sums[lane * pass->width + column];
      float start = pass->step->fresh ? 0.0f : pass->carry[lane] * *sum;
      *sum = weighted(pass, lane, pass->summed + column, start);
    }
  }
}

void ck_attention_step_float_scalar(const ck_attention_step *step) {
  ck_each_panel(step, panel_float);
}
void ck_attention_step_rounded_scalar(const ck_attention_step *step) {
  ck_each_panel(step, panel_float);
}

/// Weights times latent factors, as bytes of which 255 is the largest.
static void round_weights(ck_panel_pass *pass, int64_t lane) {
  const float *factors = ck_factors_of(&pass->step->shape, pass->step->page)->scale[0];
  float largest = 0;
  for (int64_t t = pass->low; t < pass->high; t++) {
    float *weight = &pass->scores[t * CK_PANEL_LANES + lane];
    *weight = t < pass->ends[lane] ? *weight * factors[t] : 0.0f;
    largest = *weight > largest ? *weight : largest;
  }
  float inverse = largest > 0x1p-100f ? 255.0f / largest : 0.0f;
  pass->weight_scale[lane] = largest / 255.0f;
  for (int64_t t = 0; t < CK_PAGE_SLOTS; t++) {
    float scaled = pass->scores[t * CK_PANEL_LANES + lane] * inverse;
    scaled = t >= pass->low && t < pass->ends[lane] && scaled > 0 ? scaled : 0.0f;
    scaled = scaled < 255.0f ? scaled : 255.0f;
    pass->weights[t * CK_PANEL_LANES + lane] =
        ck_bits_of_float(scaled + CK_ROUND_MAGIC) - ck_bits_of_float(CK_ROUND_MAGIC);
  }
}

static void panel_int8(ck_panel_pass *pass) {
  const ck_latent_shape *shape = &pass->step->shape;
  for (int64_t lane = 0; lane < pass->lanes; lane++) {
    for (int64_t t = pass->low; t < pass->high; t++)
      pass->scores[t * CK_PANEL_LANES + lane] = score_int8(pass, t, lane);
    softmax(pass, lane);
    round_weights(pass, lane);
    for (int64_t column = 0; column < shape->rank; column++) {
      int32_t whole = 0;
      for (int64_t t = pass->low; t < pass->high; t++) {
        uint32_t latent = word_at(pass->step->page, ck_word_of(shape, t, column));
        whole += (int32_t)pass->weights[t * CK_PANEL_LANES + lane] *
                 byte_of(latent, (int)(column % 4));
      }
      float *sum = &pass->sums[lane * shape->rank + column];
      float start = pass->step->fresh ? 0.0f : pass->carry[lane] * *sum;
      *sum = fmaf(pass->weight_scale[lane], (float)whole, start);
    }
  }
}

void ck_attention_step_int8_scalar(const ck_attention_step *step) {
  ck_each_panel(step, panel_int8);
}

void ck_attention_merge_scalar(const ck_attention_merge *m) {
  if (m->part_sum == 0) return;
  float highest = m->part_maximum, sum = m->part_sum, kept = 0, added = 1;
  if (!m->is_first) {
    float before = *m->total_maximum;
    highest = before > highest ? before : highest;
    kept = ck_exp(before - highest);
    added = ck_exp(m->part_maximum - highest);
    sum = fmaf(added, m->part_sum, kept * *m->total_sum);
  }
  *m->total_maximum = highest;
  *m->total_sum = sum;
  float factor = m->is_last ? 1.0f / sum : 1.0f;
  for (int64_t k = 0; k < m->width; k++) {
    float x = m->is_first ? m->part[k] : fmaf(added, m->part[k], kept * m->total[k]);
    m->total[k] = x * factor;
  }
}
