// What all tiers of latent attention share: where elements lie, which slots a panel sees, and the
// walk over the panels of a step.

#ifndef CKERNELS_ATTENTION_H
#define CKERNELS_ATTENTION_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ck_attention.h"
#include "decode.h"
#include "exp.h"

#pragma STDC FP_CONTRACT OFF

#define CK_ALWAYS_INLINE static inline __attribute__((always_inline))

/// Tokens, and neighbouring elements of one token, that share words.
CK_ALWAYS_INLINE int64_t ck_word_elements(ck_attention_form form) {
  return form == CK_ATTEND_FLOAT32 ? 1 : form == CK_ATTEND_INT8 ? 4 : 2;
}

/// Columns of the latent, padding included.
CK_ALWAYS_INLINE int64_t ck_rank_columns(const ck_latent_shape *shape) {
  return (shape->rank + 3) / 4 * 4;
}

/// Columns of latent and rope key, padding included: what scores take.
CK_ALWAYS_INLINE int64_t ck_key_columns(const ck_latent_shape *shape) {
  return ck_rank_columns(shape) + (shape->rope + 3) / 4 * 4;
}

/// All columns, padding included: words per group of tokens.
CK_ALWAYS_INLINE int64_t ck_columns(const ck_latent_shape *shape) {
  return ck_key_columns(shape) + (shape->value + 3) / 4 * 4;
}

/// Elements of what is summed, the latent or the value, and the first one's column.
CK_ALWAYS_INLINE int64_t ck_sum_width(const ck_latent_shape *shape) {
  return shape->value > 0 ? shape->value : shape->rank;
}
CK_ALWAYS_INLINE int64_t ck_first_summed(const ck_latent_shape *shape) {
  return shape->value > 0 ? ck_key_columns(shape) : 0;
}

/// The column of element `k` of a row of rank + rope elements.
CK_ALWAYS_INLINE int64_t ck_column_of(const ck_latent_shape *shape, int64_t k) {
  return k < shape->rank ? k : k - shape->rank + ck_rank_columns(shape);
}

/// Number of the word that holds a column of a slot.
CK_ALWAYS_INLINE int64_t ck_word_of(const ck_latent_shape *shape, int64_t slot, int64_t column) {
  int64_t g = ck_word_elements(shape->form);
  return slot / g * ck_columns(shape) + column / g * g + slot % g;
}

/// The factors and offsets of a page of int8: latent and rope key, by slot. An offset is -128 times
/// the sum of the token's elements, which takes back the 128 that make a query's bytes unsigned
/// where a tier's dot product needs that.
typedef struct {
  float scale[2][CK_PAGE_SLOTS];
  int32_t offset[2][CK_PAGE_SLOTS];
} ck_token_factors;

CK_ALWAYS_INLINE ck_token_factors *ck_factors_of(const ck_latent_shape *shape, const void *page) {
  return (ck_token_factors *)((char *)(uintptr_t)page +
                              CK_PAGE_SLOTS / 4 * ck_columns(shape) * 4);
}

/// Words of a panel's queries, to whole blocks of 16 words per lane; the factors follow them.
CK_ALWAYS_INLINE int64_t ck_query_words(const ck_latent_shape *shape) {
  int64_t g = shape->form == CK_ATTEND_BFLOAT16 ? 1 : ck_word_elements(shape->form);
  return (ck_key_columns(shape) / g + 15) / 16 * 16 * CK_PANEL_LANES;
}

/// One panel on its way through a step.
typedef struct {
  const ck_attention_step *step;
  const char *queries;
  float *state;
  float *sums;
  /// Elements of a sum, and the column of the first.
  int64_t width;
  int64_t summed;
  int64_t lanes;
  /// Some lane sees a slot from `low` to `high` - 1; lane l those below `ends[l]`.
  int64_t low;
  int64_t high;
  /// What of the next page is asked for next; NULL if nothing is.
  const char *ahead;
  _Alignas(64) int32_t ends[CK_PANEL_LANES];
  _Alignas(64) float carry[CK_PANEL_LANES];
  /// INT8: what a weight of 1 stands for.
  _Alignas(64) float weight_scale[CK_PANEL_LANES];
  _Alignas(64) float scores[CK_PAGE_SLOTS * CK_PANEL_LANES];
  /// Weights as words [slot / g][lane] of g slots; zero for slots that a lane does not see, to
  /// whole groups.
  _Alignas(64) uint32_t weights[CK_PAGE_SLOTS * CK_PANEL_LANES];
  /// INT8, in tiers that add 128 to latents: what takes it back, -128 times a lane's weights.
  _Alignas(64) int32_t starts[CK_PANEL_LANES];
} ck_panel_pass;

/// Finds what the panel sees; false if it is nothing.
CK_ALWAYS_INLINE int ck_panel_begin(ck_panel_pass *pass, int64_t panel) {
  const ck_attention_step *s = pass->step;
  int64_t lane = panel * CK_PANEL_LANES;
  pass->lanes = s->lanes - lane < CK_PANEL_LANES ? s->lanes - lane : CK_PANEL_LANES;
  pass->queries = (const char *)s->queries + panel * ck_panel_words(&s->shape) * 4;
  pass->state = s->state + panel * CK_PANEL_STATE;
  pass->width = ck_sum_width(&s->shape);
  pass->summed = ck_first_summed(&s->shape);
  pass->sums = s->sums + lane * pass->width;
  pass->ahead = panel == 0 ? s->next : NULL;
  pass->low = s->first;
  pass->high = 0;
  for (int64_t l = 0; l < CK_PANEL_LANES; l++) {
    int64_t end = s->visible + (s->head + lane + l) / s->heads - s->position;
    end = l >= pass->lanes || end < 0 ? 0 : end > CK_PAGE_SLOTS ? CK_PAGE_SLOTS : end;
    pass->ends[l] = (int32_t)end;
    if (end > pass->high) pass->high = end;
    if (s->fresh) {
      pass->state[l] = -__builtin_inff();
      pass->state[CK_PANEL_LANES + l] = 0.0f;
    }
  }
  return pass->high > pass->low;
}

/// Takes every panel of a step that sees something through `panel`.
CK_ALWAYS_INLINE void ck_each_panel(const ck_attention_step *step,
                                    void (*panel)(ck_panel_pass *)) {
  ck_panel_pass pass;
  pass.step = step;
  for (int64_t p = 0; p * CK_PANEL_LANES < step->lanes; p++)
    if (ck_panel_begin(&pass, p)) panel(&pass);
}

/// How numbers become int8, the largest in size 127. Where one of them is not finite all become
/// zero, and the scale NaN, so that it shows.
typedef struct {
  /// What 1 stands for, and what numbers are multiplied by.
  float scale;
  float inverse;
} ck_byte_scale;

static inline ck_byte_scale ck_byte_scale_of(const float *x, int64_t count) {
  uint32_t largest = 0;
  for (int64_t k = 0; k < count; k++) {
    uint32_t size = ck_bits_of_float(x[k]) & 0x7FFFFFFFu;
    largest = size > largest ? size : largest;
  }
  float size = ck_float_of_bits(largest);
  if (largest >= 0x7F800000u) return (ck_byte_scale){__builtin_nanf(""), 0.0f};
  // So small that its inverse would not be finite.
  if (size < 0x1p-100f) return (ck_byte_scale){0.0f, 0.0f};
  return (ck_byte_scale){size / 127.0f, 127.0f / size};
}

/// To the nearest whole number, the even one of two.
CK_ALWAYS_INLINE int32_t ck_to_byte(float x, ck_byte_scale scale) {
  float scaled = x * scale.inverse;
  scaled = scaled >= -127.5f && scaled <= 127.5f ? scaled : 0.0f;
  float shifted = scaled + CK_ROUND_MAGIC;
  int32_t byte = (int32_t)(ck_bits_of_float(shifted) - ck_bits_of_float(CK_ROUND_MAGIC));
  return byte > 127 ? 127 : byte < -127 ? -127 : byte;
}

#define CK_DECLARE_ATTENTION(form, tier)                                                      \
  void ck_attention_pack_##form##_##tier(const ck_latent_shape *shape, ck_rows queries,       \
                                         void *panel);                                        \
  void ck_attention_step_##form##_##tier(const ck_attention_step *step);
#define CK_DECLARE_ATTENTION_FILL(form, tier)                                                 \
  void ck_attention_fill_##form##_##tier(const ck_latent_shape *shape, ck_rows tokens, void *page);
#define CK_DECLARE_ATTENTION_MERGE(tier)                                                      \
  void ck_attention_merge_##tier(const ck_attention_merge *merge);

CK_DECLARE_ATTENTION(float, scalar)
CK_DECLARE_ATTENTION(rounded, scalar)
CK_DECLARE_ATTENTION(int8, scalar)
CK_DECLARE_ATTENTION(float, avx2)
CK_DECLARE_ATTENTION(int8, avx2)
CK_DECLARE_ATTENTION(float, avx512)
CK_DECLARE_ATTENTION(int8, avx512)
CK_DECLARE_ATTENTION(int8, avx512_vnni)
CK_DECLARE_ATTENTION(rounded, avx512_bf16)
CK_DECLARE_ATTENTION(float, neon)
CK_DECLARE_ATTENTION(int8, neon)
CK_DECLARE_ATTENTION_FILL(float, scalar)
CK_DECLARE_ATTENTION_FILL(rounded, scalar)
CK_DECLARE_ATTENTION_FILL(rounded, avx512_bf16)
CK_DECLARE_ATTENTION_MERGE(scalar)
CK_DECLARE_ATTENTION_MERGE(avx2)
CK_DECLARE_ATTENTION_MERGE(avx512)
CK_DECLARE_ATTENTION_MERGE(neon)

#endif
