// Latent attention on raw memory: absorbed queries against pages of latents (DeepSeek-V2 paper,
// section 2.1.2), what it computes, and the table through which it is called.
//
// A page holds 64 consecutive positions of one sequence and one layer. Elements lie in words of
// four bytes so that one layout serves both products: a word is a single float32, two neighbouring
// bfloat16, or four neighbouring int8, of one token. Scores take a token's word against the same
// word of sixteen queries; values take the words of as many tokens as a word has elements, turned
// round, sixteen columns at a time. With g elements to a word and K columns (latent, rope key and
// value, each padded to a multiple of four), the word with columns u g ... u g + g - 1 of slot t is
// number t / g * K + u * g + t % g. Pages of int8 end with the tokens' factors and offsets:
// float32 [2][64], int32 [2][64], for latent and rope key.
//
// Sixteen (row, head) pairs are the lanes of a panel. Every lane is computed as if it were alone:
// in the order of slots, with slots that it does not see weighing exactly nothing.
//
// Four forms. FLOAT32 and BFLOAT16 take queries and weights as they are, one fused multiply-add per
// element in the order of columns or slots; of a bfloat16 pair the second comes first. ROUNDED
// rounds queries and weights to bfloat16 (to nearest even) and takes every number below 2^-126 in
// size, given or computed, as zero: what processors have an instruction for. INT8 sums whole
// numbers, exactly.

#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H

#include <stdint.h>

#include "ck_rows.h"
#include "ck_tier.h"

enum {
  /// Slots of a page.
  CK_PAGE_SLOTS = 64,
  /// (row, head) pairs of a panel.
  CK_PANEL_LANES = 16,
  /// Floats of a panel's state: 16 maxima, then 16 sums.
  CK_PANEL_STATE = 32,
};

typedef enum {
  CK_ATTEND_FLOAT32 = 0,
  CK_ATTEND_BFLOAT16 = 1,
  /// Stored as BFLOAT16.
  CK_ATTEND_ROUNDED = 2,
  CK_ATTEND_INT8 = 3,
} ck_attention_form;

/// What a page holds of each token: `rank` elements of latent and `rope` of rope key. Scores take
/// all of them, sums the latent. A page of what one head makes of its tokens instead holds `rank`
/// elements of the head's key, `rope` of rope key and `value` of the head's value: scores take the
/// first two, sums the value. INT8 has no such pages.
typedef struct {
  int64_t rank;
  int64_t rope;
  /// 0 in pages of latents.
  int64_t value;
  ck_attention_form form;
} ck_latent_shape;

/// Bytes of a page: a multiple of 64.
int64_t ck_latent_page_bytes(const ck_latent_shape *shape);

/// Stores what a page holds of a token, `rank + rope + value` float32, in a slot of it.
void ck_latent_encode(const ck_latent_shape *shape, const float *row, int64_t slot, void *page);

/// Reads a slot of a page of latents as `rank + rope` float32.
void ck_latent_decode(const ck_latent_shape *shape, const void *page, int64_t slot, float *row);

/// Copies the first `slots` slots of a page. Some that follow them may be overwritten too.
void ck_latent_copy(const ck_latent_shape *shape, int64_t slots, const void *from, void *to);

/// Words of four bytes of a packed panel of queries.
int64_t ck_panel_words(const ck_latent_shape *shape);

/// Some lanes against one page.
typedef struct {
  ck_latent_shape shape;
  const void *page;
  /// A page that will be needed soon, or NULL.
  const void *next;
  /// Position of the page's slot 0, and the first slot that is seen.
  int64_t position;
  int64_t first;
  /// Lane l sees the positions below `visible + (head + l) / heads`.
  int64_t lanes;
  int64_t visible;
  int64_t head;
  int64_t heads;
  /// Packed queries, a panel for every 16 lanes.
  const void *queries;
  /// Factor of the scores.
  float scale;
  /// Whether state and sums begin here.
  int32_t fresh;
  /// CK_PANEL_STATE floats per panel. A lane that has seen nothing has a sum of zero.
  float *state;
  /// Weighted latents [lanes][rank], or weighted values [lanes][value].
  float *sums;
} ck_attention_step;

/// One lane's part of a context joins the parts before it.
typedef struct {
  /// Elements of a sum.
  int64_t width;
  const float *part;
  float part_maximum;
  float part_sum;
  float *total;
  float *total_maximum;
  float *total_sum;
  /// Nothing was there before; nothing comes after, and the total is divided by its sum.
  int32_t is_first;
  int32_t is_last;
} ck_attention_merge;

/// The operations of one form on one instruction-set tier.
typedef struct {
  /// Stores CK_PAGE_SLOTS tokens as ck_latent_encode does; in ROUNDED tiny numbers as zero.
  void (*fill)(const ck_latent_shape *shape, ck_rows tokens, void *page);

  /// Packs up to 16 queries of `rank + rope` float32 into a panel for steps of the same table.
  void (*pack)(const ck_latent_shape *shape, ck_rows queries, void *panel);

  /// One step of a running softmax, for each lane: s = scale * (query . latent) for each slot it
  /// sees; m' = max(m, s...); w = exp(s - m'); carry = exp(m - m'); sum = carry * sum + w...;
  /// z = carry * z + w... . latents, or values. A NaN score weighs nothing. In INT8 weights are
  /// rounded to 8 bits of the largest in the page, the latents' factors included.
  void (*step)(const ck_attention_step *step);

  /// m = max of both; total = exp(m_total - m) * total + exp(m_part - m) * part, and so the sum. A
  /// part that has seen nothing changes nothing.
  void (*merge)(const ck_attention_merge *merge);
} ck_attention;

/// The operations of a form, or NULL when this processor or build does not have the tier.
const ck_attention *ck_attention_of(ck_tier tier, ck_attention_form form);

#endif
