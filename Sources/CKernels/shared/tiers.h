// The functions that every tier has, named after it.

#ifndef CKERNELS_TIERS_H
#define CKERNELS_TIERS_H

#include "CKernels.h"

#define CK_DECLARE_ROWWISE(tier)                                                              \
  void ck_rms_norm_##tier(ck_rows x, int64_t width, const float *weight, float epsilon,       \
                          ck_rows y);                                                         \
  void ck_gated_unit_##tier(ck_rows gate, ck_rows up, int64_t width, ck_rows y);

CK_DECLARE_ROWWISE(scalar)
CK_DECLARE_ROWWISE(avx2)
CK_DECLARE_ROWWISE(avx512)
CK_DECLARE_ROWWISE(neon)

/// Whether processor and system let this process use tiles of int8; asks the system for them.
int ck_tiles_are_usable(void);

#endif
