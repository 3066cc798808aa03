// Arithmetic on raw rows: what every operation computes, and the tables through which it is called.
//
// One arithmetic for all tiers: every sum is made in one order, whatever computes it and however
// many other rows or outputs are computed in the same call. The files under scalar/ are the
// definition; the others must return the same bits.
//
// Nothing here allocates, locks, touches a file or keeps state. Pointers may be unaligned where
// nothing else is said.

#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdint.h>

#include "ck_attention.h"
#include "ck_limits.h"
#include "ck_panels.h"
#include "ck_quantise.h"
#include "ck_rows.h"
#include "ck_tier.h"

/// The operations of one tier on single rows. A sum over a row is kept in 16 lanes, lane l taking
/// the elements l, l + 16, l + 32, ... in that order by fused multiply-add; the lanes are then
/// added in halves (8 + 8, 4 + 4, 2 + 2, 1 + 1).
typedef struct {
  /// y = weight * (x / sqrt(mean(x^2) + epsilon)), per row of `width` columns; y may be x.
  void (*rms_norm)(ck_rows x, int64_t width, const float *weight, float epsilon, ck_rows y);

  /// y = silu(gate) * up = gate / (1 + exp(-gate)) * up, elementwise; y may be gate or up.
  void (*gated_unit)(ck_rows gate, ck_rows up, int64_t width, ck_rows y);
} ck_kernels;

/// The table of a tier, or NULL when this processor or build does not have it.
const ck_kernels *ck_kernels_of(ck_tier tier);

/// e^x in float32, about 1 ulp; x is clamped to [-87.3, 88.3], so the result is finite and
/// positive; NaN counts as the lower bound.
float ck_exp(float x);

/// float32 to bfloat16, to nearest even; NaN stays NaN.
void ck_encode_bfloat16(const float *x, int64_t count, uint16_t *y);

/// y[i] += factor * x[i], one rounding for the product and one for the sum.
void ck_add_scaled(const float *x, float factor, int64_t count, float *y);

#endif
