// Steps of latent attention over pages of random tokens, and the merging of what they find.

#include <string.h>

#include "cases.h"
#include "support.h"

enum { MOST_PAGES = 3 };

/// Some lanes against the pages of a context; pages and what is written end at guarded memory.
typedef struct {
  ck_latent_shape shape;
  void *pages[MOST_PAGES];
  int64_t count;
  /// Position of the first page, and the first one that is seen.
  int64_t position, first;
  int64_t lanes, visible, head, heads;
  float scale;
  float_rows queries;
} attention_case;

/// What one tier makes of a case.
typedef struct {
  const ck_attention *table;
  void *panels;
  float *state, *sums, *total, *total_state;
} attention_run;

static int64_t panels_of(const attention_case *c) {
  return (c->lanes + CK_PANEL_LANES - 1) / CK_PANEL_LANES;
}

/// Ordinary rows, and among them, if `kind` is special, some that are not.
static float_rows mixed_rows(int64_t count, int64_t width, number_kind kind) {
  float_rows rows = random_rows(count, width, ORDINARY);
  float_rows others = random_rows(count, width, kind);
  for (int64_t r = 0; r < count; r++)
    if (random_between(0, 5) == 0)
      memcpy(rows.elements + r * rows.stride, others.elements + r * others.stride,
             (size_t)width * sizeof *rows.elements);
  return rows;
}

/// Pages whose slots hold no number, but for those that somebody sees.
static void write_pages(attention_case *c, number_kind kind) {
  int64_t width = c->shape.rank + c->shape.rope + c->shape.value;
  int64_t bytes = ck_latent_page_bytes(&c->shape);
  int64_t end = c->visible + (c->head + c->lanes - 1) / c->heads;
  float_rows rows = mixed_rows(CK_PAGE_SLOTS, width, kind);
  for (int64_t p = 0; p < c->count; p++) {
    c->pages[p] = memset(guarded(bytes), 0xFF, (size_t)bytes);
    for (int64_t slot = 0; slot < CK_PAGE_SLOTS; slot++) {
      int64_t position = c->position + p * CK_PAGE_SLOTS + slot;
      const float *row = rows.elements + random_between(0, CK_PAGE_SLOTS - 1) * rows.stride;
      if (position >= c->first && position < end)
        ck_latent_encode(&c->shape, row, slot, c->pages[p]);
    }
  }
}

static attention_case random_case(ck_attention_form form, number_kind kind) {
  attention_case c = {.shape = {.form = form}};
  c.shape.rank = random_between(0, 15) == 0 ? random_between(500, 530) : random_between(1, 100);
  c.shape.rope = random_between(1, 40);
  if (form != CK_ATTEND_INT8 && random_between(0, 2) == 0) c.shape.value = random_between(1, 100);
  c.count = random_between(1, MOST_PAGES);
  c.position = random_between(0, 3) * CK_PAGE_SLOTS;
  c.first = c.position + random_between(0, 1) * random_between(0, CK_PAGE_SLOTS - 1);
  c.lanes = random_between(1, 64);
  c.heads = random_between(1, 24);
  c.head = random_between(0, c.heads - 1);
  int64_t rows = (c.head + c.lanes - 1) / c.heads + 1;
  c.visible = c.position + random_between(-rows, c.count * CK_PAGE_SLOTS + 1);
  c.scale = 0.25f + random_float(0.2f);
  c.queries = mixed_rows(c.lanes, c.shape.rank + c.shape.rope, kind);
  write_pages(&c, kind);
  describe("form %d, rank %lld, rope %lld, value %lld, %lld lanes of %lld heads from %lld, "
           "first %lld, visible %lld, pages at %lld",
           (int)form, (long long)c.shape.rank, (long long)c.shape.rope, (long long)c.shape.value,
           (long long)c.lanes,
           (long long)c.heads, (long long)c.head, (long long)c.first, (long long)c.visible,
           (long long)c.position);
  return c;
}

/// Elements of a sum.
static int64_t sum_width(const attention_case *c) {
  return c->shape.value > 0 ? c->shape.value : c->shape.rank;
}

static attention_run run_begin(const attention_case *c, ck_tier tier) {
  int64_t words = ck_panel_words(&c->shape), panels = panels_of(c);
  attention_run run = {.table = ck_attention_of(tier, c->shape.form),
                       .panels = guarded(panels * words * 4),
                       .state = guarded(panels * CK_PANEL_STATE * 4),
                       .sums = guarded(c->lanes * sum_width(c) * 4),
                       .total = guarded(c->lanes * sum_width(c) * 4),
                       .total_state = guarded(c->lanes * 2 * 4)};
  for (int64_t p = 0; p < panels; p++) {
    int64_t lane = p * CK_PANEL_LANES, left = c->lanes - lane;
    ck_rows some = {c->queries.elements + lane * c->queries.stride,
                    left < CK_PANEL_LANES ? left : CK_PANEL_LANES, c->queries.stride};
    run.table->pack(&c->shape, some, (char *)run.panels + p * words * 4);
  }
  return run;
}

static void run_step(const attention_case *c, const attention_run *run, int64_t page, int fresh) {
  int64_t position = c->position + page * CK_PAGE_SLOTS;
  ck_attention_step step = {.shape = c->shape,
                            .page = c->pages[page],
                            .next = page + 1 < c->count ? c->pages[page + 1] : NULL,
                            .position = position,
                            .first = c->first > position ? c->first - position : 0,
                            .lanes = c->lanes,
                            .visible = c->visible,
                            .head = c->head,
                            .heads = c->heads,
                            .queries = run->panels,
                            .scale = c->scale,
                            .fresh = fresh,
                            .state = run->state,
                            .sums = run->sums};
  run->table->step(&step);
}

static void run_merge(const attention_case *c, const attention_run *run, int isFirst, int isLast) {
  for (int64_t lane = 0; lane < c->lanes; lane++) {
    const float *state = run->state + lane / CK_PANEL_LANES * CK_PANEL_STATE +
                         lane % CK_PANEL_LANES;
    ck_attention_merge merge = {.width = sum_width(c),
                                .part = run->sums + lane * sum_width(c),
                                .part_maximum = state[0],
                                .part_sum = state[CK_PANEL_LANES],
                                .total = run->total + lane * sum_width(c),
                                .total_maximum = run->total_state + lane * 2,
                                .total_sum = run->total_state + lane * 2 + 1,
                                .is_first = isFirst,
                                .is_last = isLast};
    run->table->merge(&merge);
  }
}

static void compare(const char *what, const float *expected, const float *actual, int64_t count) {
  expect_same_floats(what, expected, actual, count);
  digest_floats(expected, count);
}

/// All pages in order, in one part or more.
static void try_case(const attention_case *c, ck_tier tier) {
  attention_run expected = run_begin(c, CK_SCALAR), actual = run_begin(c, tier);
  int64_t sums = c->lanes * sum_width(c), state = panels_of(c) * CK_PANEL_STATE;
  int fresh = 1, isFirst = 1;
  for (int64_t page = 0; page < c->count; page++) {
    run_step(c, &expected, page, fresh);
    run_step(c, &actual, page, fresh);
    compare("maximum or sum", expected.state, actual.state, state);
    compare("weighted latent", expected.sums, actual.sums, sums);
    fresh = page + 1 == c->count || random_between(0, 2) == 0;
    if (!fresh) continue;
    int isLast = page + 1 == c->count;
    run_merge(c, &expected, isFirst, isLast);
    run_merge(c, &actual, isFirst, isLast);
    compare("total", expected.total, actual.total, sums);
    compare("total's maximum or sum", expected.total_state, actual.total_state, c->lanes * 2);
    isFirst = 0;
  }
}

void try_attention(ck_tier tier) {
  for (int form = CK_ATTEND_FLOAT32; form <= CK_ATTEND_INT8; form++)
    for (int i = 0; i < 60; i++) {
      number_kind kind = i % 4 == 3 ? SPECIAL : ORDINARY;
      attention_case c = random_case((ck_attention_form)form, kind);
      try_case(&c, tier);
      release_all();
    }
}
