// The steps of latent attention that all forms take, over the 16-lane vectors of one tier: packing,
// running softmax, merging. Included once per tier and form, after the tier's words.

#ifndef CKERNELS_VECTOR_ATTENTION_H
#define CKERNELS_VECTOR_ATTENTION_H

#include "attention.h"
#include "vector_exp.h"

/// Columns packed at a time, at most: as words of 16 lanes they fit the stack.
enum { CK_PACK_COLUMNS = 512 };

/// CK_PACK_COLUMNS columns of the first `parts` parts of a row, a query or what a page holds of a
/// token; padding and what does not exist as zero.
CK_INLINE void padded_columns(const ck_latent_shape *shape, int parts, const float *row,
                              int64_t first, float *columns) {
  memset(columns, 0, CK_PACK_COLUMNS * sizeof *columns);
  int64_t begin[3] = {0, ck_rank_columns(shape), ck_key_columns(shape)};
  int64_t count[3] = {shape->rank, shape->rope, shape->value};
  for (int part = 0; part < parts; row += count[part++]) {
    int64_t low = begin[part] > first ? begin[part] : first;
    int64_t high = begin[part] + count[part];
    if (high > first + CK_PACK_COLUMNS) high = first + CK_PACK_COLUMNS;
    if (high > low)
      memcpy(columns + (low - first), row + (low - begin[part]),
             (size_t)(high - low) * sizeof *row);
  }
}

/// The same as words of a form. Returns how many.
CK_INLINE int64_t packed_columns(const ck_latent_shape *shape, ck_attention_form form,
                                 const float *query, const ck_byte_scale *scales, int64_t first,
                                 void *packed) {
  float columns[CK_PACK_COLUMNS];
  if (form == CK_ATTEND_FLOAT32) {
    padded_columns(shape, 2, query, first, packed);
    return CK_PACK_COLUMNS;
  }
  padded_columns(shape, 2, query, first, columns);
#ifdef CK_DOT_BFLOAT16
  if (form == CK_ATTEND_ROUNDED) {
    for (int64_t c = 0; c < CK_PACK_COLUMNS; c += 32)
      words_store((uint16_t *)packed + c, lanes_to_pairs(columns + c));
    return CK_PACK_COLUMNS / 2;
  }
#endif
  uint8_t *bytes = packed;
  int64_t rope = ck_rank_columns(shape) - first;
  if (rope < 0) rope = 0;
  if (rope > CK_PACK_COLUMNS) rope = CK_PACK_COLUMNS;
  for (int64_t c = 0; c < rope; c++)
    bytes[c] = (uint8_t)(ck_to_byte(columns[c], scales[0]) + CK_QUERY_ZERO);
  for (int64_t c = rope; c < CK_PACK_COLUMNS; c++)
    bytes[c] = (uint8_t)(ck_to_byte(columns[c], scales[1]) + CK_QUERY_ZERO);
  return CK_PACK_COLUMNS / 4;
}

/// Queries of up to 16 lanes become a panel; FLOAT32 stands for BFLOAT16 too.
CK_INLINE void pack_panel(const ck_latent_shape *shape, ck_attention_form form, ck_rows queries,
                          void *panel) {
  _Alignas(64) uint32_t block[CK_PANEL_LANES][CK_PACK_COLUMNS];
  ck_byte_scale scales[CK_PANEL_LANES][2] = {0};
  float *factors = (float *)panel + ck_query_words(shape);
  for (int64_t lane = 0; lane < CK_PANEL_LANES; lane++) {
    if (form == CK_ATTEND_INT8 && lane < queries.count) {
      const float *query = queries.elements + lane * queries.stride;
      scales[lane][0] = ck_byte_scale_of(query, shape->rank);
      scales[lane][1] = ck_byte_scale_of(query + shape->rank, shape->rope);
    }
    for (int part = 0; part < 2; part++)
      factors[part * CK_PANEL_LANES + lane] = scales[lane][part].scale;
  }
  uint32_t empty = form == CK_ATTEND_INT8 ? CK_QUERY_ZERO * 0x01010101u : 0;
  for (int64_t lane = queries.count; lane < CK_PANEL_LANES; lane++)
    for (int64_t word = 0; word < CK_PACK_COLUMNS; word++) block[lane][word] = empty;
  int64_t total = ck_query_words(shape) / CK_PANEL_LANES;
  uint32_t *to = panel;
  for (int64_t first = 0, count; total > 0; first += CK_PACK_COLUMNS, total -= count) {
    count = 0;
    for (int64_t lane = 0; lane < queries.count; lane++)
      count = packed_columns(shape, form, queries.elements + lane * queries.stride, scales[lane],
                             first, block[lane]);
    if (count > total) count = total;
    for (int64_t word = 0; word < count; word += 16, to += 16 * CK_PANEL_LANES)
      words_transpose(&block[0][word], CK_PACK_COLUMNS, to);
  }
}

#ifdef CK_DOT_BFLOAT16
/// A page of rounded numbers, two slots at a time.
CK_INLINE void fill_page(const ck_latent_shape *shape, ck_rows tokens, uint32_t *page) {
  float columns[2][CK_PACK_COLUMNS];
  int64_t count = ck_columns(shape);
  for (int64_t slot = 0; slot < CK_PAGE_SLOTS; slot += 2)
    for (int64_t first = 0; first < count; first += CK_PACK_COLUMNS) {
      for (int t = 0; t < 2; t++)
        padded_columns(shape, 3, tokens.elements + (slot + t) * tokens.stride, first, columns[t]);
      int64_t end = count - first < CK_PACK_COLUMNS ? count - first : CK_PACK_COLUMNS;
      for (int64_t c = 0; c < end; c += 32)
        words_store_turns(page + slot / 2 * count + first + c, lanes_to_pairs(columns[0] + c),
                          lanes_to_pairs(columns[1] + c), end - c);
    }
}
#endif

/// The running softmax of every lane. Leaves the weights where the scores were, zero for slots that
/// a lane does not see, to whole groups of `group` slots.
CK_INLINE void softmax(ck_panel_pass *pass, int64_t group) {
  float *scores = pass->scores;
  lanes before = lanes_load_all(pass->state), highest = before;
  lanes zero = lanes_broadcast(0.0f), scale = lanes_broadcast(pass->step->scale);
  for (int64_t t = pass->low; t < pass->high; t++) {
    lanes s = lanes_multiply(lanes_load_all(scores + t * 16), scale);
    lanes_store_all(scores + t * 16, s);
    highest = lanes_maximum(lanes_seen(pass->ends, t, s, highest), highest);
  }
  lanes carry = lanes_exp(lanes_subtract(before, highest)), added = zero;
  for (int64_t t = pass->low; t < pass->high; t++) {
    lanes weight = lanes_exp(lanes_subtract(lanes_load_all(scores + t * 16), highest));
    weight = lanes_seen(pass->ends, t, weight, zero);
    lanes_store_all(scores + t * 16, weight);
    added = lanes_add(added, weight);
  }
  for (int64_t t = pass->low / group * group; t < pass->low; t++)
    lanes_store_all(scores + t * 16, zero);
  for (int64_t t = pass->high; t % group != 0; t++) lanes_store_all(scores + t * 16, zero);
  lanes sum = lanes_multiply_add(carry, lanes_load_all(pass->state + CK_PANEL_LANES), added);
  lanes_store_all(pass->carry, carry);
  lanes_store_all(pass->state, highest);
  lanes_store_all(pass->state + CK_PANEL_LANES, sum);
}

/// Asks for one line of the next page: a few between the products, so that memory is never idle.
CK_INLINE void prefetch_line(ck_panel_pass *pass) {
  __builtin_prefetch(pass->ahead, 0, 2);
  pass->ahead += 64;
}

/// Asks for the lines of the next page that the sums of the columns before `column` left out.
CK_INLINE void prefetch_rest(ck_panel_pass *pass, int64_t column) {
  if (pass->ahead == NULL) return;
  const ck_latent_shape *shape = &pass->step->shape;
  int64_t share = ck_latent_page_bytes(shape) / 64 * column / ck_columns(shape) * 64;
  while (pass->ahead - (const char *)pass->step->next < share) prefetch_line(pass);
}

/// Calls `tile` for all lanes, as many at a time as a tile takes; its last argument is constant.
#define CK_FOR_VALUE_LANES(pass, tile, ...)                            \
  do {                                                                 \
    int64_t lane = 0;                                                  \
    for (; lane + CK_VALUE_LANES <= (pass)->lanes; lane += CK_VALUE_LANES) \
      tile(pass, __VA_ARGS__, lane, CK_VALUE_LANES);                   \
    if (CK_VALUE_LANES > 8 && lane + 8 <= (pass)->lanes) {             \
      tile(pass, __VA_ARGS__, lane, 8);                                \
      lane += 8;                                                       \
    }                                                                  \
    if (CK_VALUE_LANES > 4 && lane + 4 <= (pass)->lanes) {             \
      tile(pass, __VA_ARGS__, lane, 4);                                \
      lane += 4;                                                       \
    }                                                                  \
    for (; lane < (pass)->lanes; lane++) tile(pass, __VA_ARGS__, lane, 1); \
  } while (0)

/// Which words of a group's 16 columns exist.
CK_INLINE uint32_t words_there(int64_t columns_left) {
  return columns_left >= 16 ? 0xFFFFu : (1u << columns_left) - 1;
}

/// z before the page: carried on, or zero.
CK_INLINE lanes sum_before(const ck_panel_pass *pass, int64_t lane, int64_t column,
                           lane_mask mask) {
  if (pass->step->fresh) return lanes_broadcast(0.0f);
  const float *sums = pass->sums + lane * pass->width + column;
  return lanes_multiply(lanes_broadcast(pass->carry[lane]), lanes_load(sums, mask));
}

CK_INLINE void merge(const ck_attention_merge *m) {
  if (m->part_sum == 0) return;
  float highest = m->part_maximum, sum = m->part_sum;
  lanes kept = lanes_broadcast(0.0f), added = kept;
  if (!m->is_first) {
    float before = *m->total_maximum;
    highest = before > highest ? before : highest;
    kept = lanes_exp(lanes_broadcast(before - highest));
    added = lanes_exp(lanes_broadcast(m->part_maximum - highest));
    sum = fmaf(lanes_first(added), m->part_sum, lanes_first(kept) * *m->total_sum);
  }
  *m->total_maximum = highest;
  *m->total_sum = sum;
  lanes factor = lanes_broadcast(m->is_last ? 1.0f / sum : 1.0f);
  for (int64_t k = 0; k < m->width; k += 16) {
    lane_mask mask = lanes_mask(m->width - k);
    lanes x = lanes_load(m->part + k, mask);
    if (!m->is_first)
      x = lanes_multiply_add(added, x, lanes_multiply(kept, lanes_load(m->total + k, mask)));
    lanes_store(m->total + k, lanes_multiply(x, factor), mask);
  }
}

#endif
