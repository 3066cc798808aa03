// Super-blocks of 256 with factors for sub-blocks: Q4_K, Q5_K (factor and offset) and Q6_K.
//
// Each sub-block is fitted alone; its factor is then rounded to a multiple of the super-block's
// unit, the elements are rounded with what the reader will compute, and the unit is refitted to
// those. The best of a few such rounds is kept.

#include <math.h>
#include <string.h>

#include "blocks.h"
#include "fit.h"
#include "half.h"

#pragma STDC FP_CONTRACT OFF

enum { ROUNDS = 3, RANGE_PARTS = 8, SYMMETRIC_PARTS = 16 };

/// A super-block times 2^-exponent, so that its largest element is from 0.5 to 1.
typedef struct {
  float x[CK_SUPER_BLOCK];
  float weights[CK_SUPER_BLOCK];
  int exponent;
} block;

/// - part: elements per sub-block.
static void normalise(const float *x, int part, block *b) {
  float size = 0;
  for (int i = 0; i < CK_SUPER_BLOCK; i++) size = fabsf(x[i]) > size ? fabsf(x[i]) : size;
  // Far below the smallest float16: zero.
  int is_zero = size < 0x1p-100f;
  b->exponent = 0;
  if (!is_zero) frexpf(size, &b->exponent);
  float down = ldexpf(1, -b->exponent);
  for (int i = 0; i < CK_SUPER_BLOCK; i++) b->x[i] = is_zero ? 0 : x[i] * down;
  for (int i = 0; i < CK_SUPER_BLOCK; i += part) ck_fit_weights(b->x + i, part, b->weights + i);
}

/// A unit of a normalised super-block as the file will hold it.
static float as_stored(const block *b, float unit, uint16_t *half) {
  *half = ck_half_of_float(ldexpf(unit, b->exponent));
  return ldexpf(ck_decode_float16(*half), -b->exponent);
}

static float multiple(float value, float unit, float low, float high) {
  if (unit == 0) return 0;
  return ck_round(ck_clamp(value / unit, low, high));
}

/// A super-block of factors and offsets before packing.
typedef struct {
  uint16_t unit, offset_unit;
  uint8_t factors[RANGE_PARTS], offsets[RANGE_PARTS];
  uint8_t levels[CK_SUPER_BLOCK];
} range_block;

/// What is needed to refit both units: sums over w a^2, w a b, w b^2, w x a and w x b, where x is
/// about unit * a - offset unit * b; and the error left.
typedef struct {
  float aa, ab, bb, xa, xb, error;
} range_sums;

static void round_part(const block *b, int part, float scale, float offset, float top,
                       range_block *r, range_sums *sums) {
  int start = part * CK_BLOCK;
  float factor = (float)r->factors[part], step = (float)r->offsets[part];
  float inverse = scale > 0 ? 1 / scale : 0;
  float aa = 0, ab = 0, xa = 0, xb = 0, bb = 0, error = 0;
  for (int i = start; i < start + CK_BLOCK; i++) {
    float x = b->x[i], weight = b->weights[i];
    float level = ck_round(ck_clamp((x + offset) * inverse, 0, top));
    float difference = x - (scale * level - offset);
    float a = factor * level;
    r->levels[i] = (uint8_t)level;
    error += weight * difference * difference;
    aa += weight * a * a;
    ab += weight * a * step;
    bb += weight * step * step;
    xa += weight * x * a;
    xb += weight * x * step;
  }
  sums->aa += aa;
  sums->ab += ab;
  sums->bb += bb;
  sums->xa += xa;
  sums->xb += xb;
  sums->error += error;
}

/// Minimises the weighted sum of (x - unit a + offset_unit b)^2.
static void refit_units(const range_sums *s, float *unit, float *offset_unit) {
  float determinant = s->aa * s->bb - s->ab * s->ab;
  if (determinant > 0) {
    float first = (s->xa * s->bb - s->xb * s->ab) / determinant;
    float second = (s->xa * s->ab - s->xb * s->aa) / determinant;
    if (first > 0 && second >= 0) {
      *unit = first;
      *offset_unit = second;
      return;
    }
  }
  if (s->aa > 0 && s->xa > 0) *unit = s->xa / s->aa;
}

static ck_encoded fit_range_block(const float *x, float top, range_block *best) {
  block b;
  normalise(x, CK_BLOCK, &b);
  ck_fit fits[RANGE_PARTS];
  float largest = 0, deepest = 0;
  for (int part = 0; part < RANGE_PARTS; part++) {
    int start = part * CK_BLOCK;
    fits[part] = ck_fit_range(b.x + start, b.weights + start, CK_BLOCK, top);
    largest = fits[part].scale > largest ? fits[part].scale : largest;
    deepest = -fits[part].offset > deepest ? -fits[part].offset : deepest;
  }
  float unit = largest / 63, offset_unit = deepest / 63, least = INFINITY;
  for (int round = 0; round < ROUNDS; round++) {
    range_block r;
    range_sums sums = {0};
    float d = as_stored(&b, unit, &r.unit), m = as_stored(&b, offset_unit, &r.offset_unit);
    if (ck_half_is_infinite(r.unit) || ck_half_is_infinite(r.offset_unit)) break;
    for (int part = 0; part < RANGE_PARTS; part++) {
      r.factors[part] = (uint8_t)multiple(fits[part].scale, d, 0, 63);
      r.offsets[part] = (uint8_t)multiple(-fits[part].offset, m, 0, 63);
      round_part(&b, part, d * (float)r.factors[part], m * (float)r.offsets[part], top, &r, &sums);
    }
    if (sums.error < least) {
      least = sums.error;
      *best = r;
    }
    refit_units(&sums, &unit, &offset_unit);
  }
  return least < INFINITY ? CK_ENCODED : CK_OUT_OF_RANGE;
}

static void pack_factors(const range_block *r, uint8_t *bytes) {
  ck_store_half(bytes, r->unit);
  ck_store_half(bytes + 2, r->offset_unit);
  for (int i = 0; i < 4; i++) {
    bytes[4 + i] = (uint8_t)(r->factors[i] | r->factors[i + 4] >> 4 << 6);
    bytes[8 + i] = (uint8_t)(r->offsets[i] | r->offsets[i + 4] >> 4 << 6);
    bytes[12 + i] = (uint8_t)((r->factors[i + 4] & 15) | (r->offsets[i + 4] & 15) << 4);
  }
}

/// Each 32 bytes hold two sub-blocks, the second one in the upper halves.
static void pack_nibbles(const uint8_t *levels, uint8_t *bytes) {
  for (int group = 0; group < 4; group++)
    for (int i = 0; i < 32; i++)
      bytes[32 * group + i] = (uint8_t)((levels[64 * group + i] & 15) |
                                        (levels[64 * group + 32 + i] & 15) << 4);
}

ck_encoded ck_encode_q4_k(const float *x, uint8_t *bytes) {
  range_block r;
  ck_encoded result = fit_range_block(x, 15, &r);
  if (result != CK_ENCODED) return result;
  pack_factors(&r, bytes);
  pack_nibbles(r.levels, bytes + 16);
  return CK_ENCODED;
}

ck_encoded ck_encode_q5_k(const float *x, uint8_t *bytes) {
  range_block r;
  ck_encoded result = fit_range_block(x, 31, &r);
  if (result != CK_ENCODED) return result;
  pack_factors(&r, bytes);
  for (int i = 0; i < 32; i++) {
    int high = 0;
    for (int part = 0; part < RANGE_PARTS; part++)
      high |= r.levels[32 * part + i] >> 4 << part;
    bytes[16 + i] = (uint8_t)high;
  }
  pack_nibbles(r.levels, bytes + 48);
  return CK_ENCODED;
}

/// A super-block of signed factors before packing.
typedef struct {
  uint16_t unit;
  int8_t factors[SYMMETRIC_PARTS];
  uint8_t levels[CK_SUPER_BLOCK];
} symmetric_block;

/// Rounds a sub-block and adds to the sums over w x a and w a^2, where x is about unit * a.
static float round_symmetric(const block *b, int part, float d, symmetric_block *s, float *xa,
                             float *aa) {
  float factor = (float)s->factors[part], scale = d * factor, error = 0, product = 0, square = 0;
  float inverse = scale != 0 ? 1 / scale : 0;
  for (int i = 16 * part; i < 16 * part + 16; i++) {
    float level = ck_round(ck_clamp(b->x[i] * inverse, -32, 31));
    float difference = b->x[i] - scale * level;
    float a = factor * level;
    s->levels[i] = (uint8_t)(level + 32);
    error += b->weights[i] * difference * difference;
    product += b->weights[i] * b->x[i] * a;
    square += b->weights[i] * a * a;
  }
  *xa += product;
  *aa += square;
  return error;
}

static ck_encoded fit_symmetric_block(const float *x, symmetric_block *best) {
  block b;
  normalise(x, 16, &b);
  float scales[SYMMETRIC_PARTS], extreme = 0, least = INFINITY;
  for (int part = 0; part < SYMMETRIC_PARTS; part++) {
    scales[part] = ck_fit_symmetric(b.x + 16 * part, b.weights + 16 * part, 16, 32).scale;
    extreme = fabsf(scales[part]) > fabsf(extreme) ? scales[part] : extreme;
  }
  float unit = extreme / -128;
  for (int round = 0; round < ROUNDS; round++) {
    symmetric_block s;
    float error = 0, xa = 0, aa = 0, d = as_stored(&b, unit, &s.unit);
    if (ck_half_is_infinite(s.unit)) break;
    for (int part = 0; part < SYMMETRIC_PARTS; part++) {
      s.factors[part] = (int8_t)multiple(scales[part], d, -128, 127);
      error += round_symmetric(&b, part, d, &s, &xa, &aa);
    }
    if (error < least) {
      least = error;
      *best = s;
    }
    if (aa > 0) unit = xa / aa;
  }
  return least < INFINITY ? CK_ENCODED : CK_OUT_OF_RANGE;
}

ck_encoded ck_encode_q6_k(const float *x, uint8_t *bytes) {
  symmetric_block s;
  ck_encoded result = fit_symmetric_block(x, &s);
  if (result != CK_ENCODED) return result;
  uint8_t *low = bytes, *high = bytes + 128;
  for (int half = 0; half < 2; half++) {
    const uint8_t *levels = s.levels + 128 * half;
    for (int i = 0; i < 32; i++) {
      int a = levels[i], b = levels[i + 32], c = levels[i + 64], d = levels[i + 96];
      low[64 * half + i] = (uint8_t)((a & 15) | (c & 15) << 4);
      low[64 * half + 32 + i] = (uint8_t)((b & 15) | (d & 15) << 4);
      high[32 * half + i] = (uint8_t)(a >> 4 | b >> 4 << 2 | c >> 4 << 4 | d >> 4 << 6);
    }
  }
  memcpy(bytes + 192, s.factors, SYMMETRIC_PARTS);
  ck_store_half(bytes + 208, s.unit);
  return CK_ENCODED;
}
