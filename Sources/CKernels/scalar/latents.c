// Latents as pages hold them: what every tier shares.

#include "../shared/attention.h"

#pragma STDC FP_CONTRACT OFF

int64_t ck_latent_page_bytes(const ck_latent_shape *shape) {
  int64_t words = CK_PAGE_SLOTS / ck_word_elements(shape->form) * ck_columns(shape);
  return words * 4 + (shape->form == CK_ATTEND_INT8 ? (int64_t)sizeof(ck_token_factors) : 0);
}

int64_t ck_panel_words(const ck_latent_shape *shape) {
  return ck_query_words(shape) + 2 * CK_PANEL_LANES;
}

/// Four columns of one token become words, `words` being where the first of them goes.
static void encode_columns(ck_attention_form form, const float x[4], ck_byte_scale scale,
                           uint32_t *words, int32_t *sum) {
  if (form == CK_ATTEND_FLOAT32) {
    memcpy(words, x, 16);
  } else if (form == CK_ATTEND_INT8) {
    uint32_t word = 0;
    for (int i = 0; i < 4; i++) {
      int32_t byte = ck_to_byte(x[i], scale);
      *sum += byte;
      word |= (uint32_t)(byte & 0xFF) << (8 * i);
    }
    words[0] = word;
  } else {
    uint16_t halves[4];
    ck_encode_bfloat16(x, 4, halves);
    words[0] = (uint32_t)halves[0] | (uint32_t)halves[1] << 16;
    words[2] = (uint32_t)halves[2] | (uint32_t)halves[3] << 16;
  }
}

void ck_latent_encode(const ck_latent_shape *shape, const float *row, int64_t slot, void *page) {
  int64_t counts[3] = {shape->rank, shape->rope, shape->value};
  int64_t column = 0;
  for (int part = 0; part < 3; part++) {
    ck_byte_scale scale = {0, 0};
    if (shape->form == CK_ATTEND_INT8) scale = ck_byte_scale_of(row, counts[part]);
    int32_t sum = 0;
    for (int64_t k = 0; k < counts[part]; k += 4, column += 4) {
      float x[4] = {0};
      memcpy(x, row + k, (size_t)(counts[part] - k < 4 ? counts[part] - k : 4) * sizeof *x);
      encode_columns(shape->form, x, scale,
                     (uint32_t *)page + ck_word_of(shape, slot, column), &sum);
    }
    if (shape->form == CK_ATTEND_INT8 && part < 2) {
      ck_factors_of(shape, page)->scale[part][slot] = scale.scale;
      ck_factors_of(shape, page)->offset[part][slot] = -128 * sum;
    }
    row += counts[part];
  }
}

void ck_latent_decode(const ck_latent_shape *shape, const void *page, int64_t slot, float *row) {
  int64_t g = ck_word_elements(shape->form);
  for (int64_t k = 0; k < shape->rank + shape->rope; k++) {
    int64_t column = ck_column_of(shape, k);
    uint32_t word = ((const uint32_t *)page)[ck_word_of(shape, slot, column)];
    if (shape->form == CK_ATTEND_FLOAT32)
      row[k] = ck_float_of_bits(word);
    else if (shape->form == CK_ATTEND_INT8)
      row[k] = (float)(int8_t)(word >> (8 * (column % g))) *
               ck_factors_of(shape, page)->scale[k >= shape->rank][slot];
    else
      row[k] = ck_float_of_bits(column % 2 == 0 ? word << 16 : word & 0xFFFF0000u);
  }
}

void ck_latent_copy(const ck_latent_shape *shape, int64_t slots, const void *from, void *to) {
  int64_t g = ck_word_elements(shape->form);
  memcpy(to, from, (size_t)((slots + g - 1) / g * ck_columns(shape) * 4));
  if (shape->form == CK_ATTEND_INT8)
    memcpy(ck_factors_of(shape, to), ck_factors_of(shape, from), sizeof(ck_token_factors));
}
