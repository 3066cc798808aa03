// Candidates lie in the lanes of a vector: one pass over the elements tries eight of them. For the
// levels that a candidate rounds to, the best scale and offset follow from sums (weighted linear
// regression), and so does the error that they leave.

#include "fit.h"

#include <math.h>

// Sums must not depend on whether the processor fuses multiplication and addition.
#pragma STDC FP_CONTRACT OFF

enum { LANES = 8, PASSES = 3 };
typedef float lanes __attribute__((vector_size(LANES * 4)));

/// Candidates put the extreme element this many levels inside or outside of the last one.
static const float first_stretch = -1.2f, stretch_step = 0.1f;
/// After the passes over stretches, one over scales next to the best, by this step.
static const float fine_step = 0.006f;

/// 1.5 * 2^23: adding and subtracting it rounds to the nearest integer.
#define ROUNDER 0x1.8p23f

static lanes *fill_lanes(lanes *y, float first, float step) {
  for (int lane = 0; lane < LANES; lane++) (*y)[lane] = first + step * (float)lane;
  return y;
}

typedef struct {
  float weight, x, xx;
} moments;

static moments moments_of(const float *x, const float *weights, int count) {
  moments sum = {0, 0, 0};
  for (int i = 0; i < count; i++) {
    sum.weight += weights[i];
    sum.x += weights[i] * x[i];
    sum.xx += weights[i] * x[i] * x[i];
  }
  return sum;
}

/// Of the levels that round((x - base) * inverse) gives, one set per lane: the regression with the
/// smallest error, if it is smaller than `*error`.
static void try_range(const float *x, const float *weights, int count, float levels, float base,
                      const lanes *inverse, moments m, ck_fit *best, float *error) {
  lanes q1 = {0}, qq = {0}, xq = {0}, rounder, top, zero = {0};
  fill_lanes(&rounder, ROUNDER, 0);
  fill_lanes(&top, levels, 0);
  for (int i = 0; i < count; i++) {
    lanes q = ((x[i] - base) * *inverse + rounder) - rounder;
    q = __builtin_elementwise_min(__builtin_elementwise_max(q, zero), top);
    lanes weighted = weights[i] * q;
    q1 += weighted;
    qq += weighted * q;
    xq += weighted * x[i];
  }
  for (int lane = 0; lane < LANES; lane++) {
    float determinant = m.weight * qq[lane] - q1[lane] * q1[lane];
    if (!(qq[lane] > 0)) continue;
    ck_fit fit = {xq[lane] / qq[lane], 0};
    if (determinant > 0) {
      float offset = (qq[lane] * m.x - q1[lane] * xq[lane]) / determinant;
      if (offset < 0) {
        fit.scale = (m.weight * xq[lane] - q1[lane] * m.x) / determinant;
        fit.offset = offset;
      }
    }
    float left = m.xx - fit.scale * xq[lane] - fit.offset * m.x;
    if (fit.scale > 0 && left < *error) {
      *error = left;
      *best = fit;
    }
  }
}

ck_fit ck_fit_range(const float *x, const float *weights, int count, float levels) {
  float low = 0, high = x[0];
  for (int i = 0; i < count; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  moments m = moments_of(x, weights, count);
  float mean = m.x / m.weight;
  ck_fit best = {0, mean < 0 ? mean : 0};
  float range = high - low;
  if (!(range > CK_NEGLIGIBLE)) return best;
  float error = INFINITY;
  lanes inverse;
  for (int pass = 0; pass < PASSES; pass++) {
    float stretch = first_stretch + stretch_step * (float)(pass * LANES);
    fill_lanes(&inverse, (levels + stretch) / range, stretch_step / range);
    try_range(x, weights, count, levels, low, &inverse, m, &best, &error);
  }
  if (!(best.scale > 0)) return best;
  float base = best.offset;
  fill_lanes(&inverse, (1 - 3.5f * fine_step) / best.scale, fine_step / best.scale);
  try_range(x, weights, count, levels, base, &inverse, m, &best, &error);
  return best;
}

/// The same without an offset and for levels of both signs: the regression that explains most.
static void try_symmetric(const float *x, const float *weights, int count, float half,
                          const lanes *inverse, ck_fit *best, float *explained) {
  lanes qq = {0}, xq = {0}, rounder, top, bottom;
  fill_lanes(&rounder, ROUNDER, 0);
  fill_lanes(&top, half - 1, 0);
  fill_lanes(&bottom, -half, 0);
  for (int i = 0; i < count; i++) {
    lanes q = (x[i] * *inverse + rounder) - rounder;
    q = __builtin_elementwise_min(__builtin_elementwise_max(q, bottom), top);
    lanes weighted = weights[i] * q;
    qq += weighted * q;
    xq += weighted * x[i];
  }
  for (int lane = 0; lane < LANES; lane++) {
    if (!(qq[lane] > 0)) continue;
    float scale = xq[lane] / qq[lane];
    if (scale * xq[lane] > *explained) {
      *explained = scale * xq[lane];
      best->scale = scale;
    }
  }
}

ck_fit ck_fit_symmetric(const float *x, const float *weights, int count, float half) {
  float extreme = 0;
  for (int i = 0; i < count; i++) extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
  ck_fit best = {0, 0};
  if (!(fabsf(extreme) > CK_NEGLIGIBLE)) return best;
  float explained = 0;
  lanes inverse;
  for (int pass = 0; pass < PASSES; pass++) {
    float stretch = first_stretch + stretch_step * (float)(pass * LANES);
    fill_lanes(&inverse, -(half + stretch) / extreme, -stretch_step / extreme);
    try_symmetric(x, weights, count, half, &inverse, &best, &explained);
  }
  if (best.scale == 0) return best;
  fill_lanes(&inverse, (1 - 3.5f * fine_step) / best.scale, fine_step / best.scale);
  try_symmetric(x, weights, count, half, &inverse, &best, &explained);
  return best;
}

void ck_fit_weights(const float *x, int count, float *weights) {
  float squares = 0;
  for (int i = 0; i < count; i++) squares += x[i] * x[i];
  float size = squares > 0 ? sqrtf(squares / (float)count) : 1;
  for (int i = 0; i < count; i++) weights[i] = size + fabsf(x[i]);
}
