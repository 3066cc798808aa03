// The functions that every tier has, named after it.

#ifndef CKERNELS_TIERS_H
#define CKERNELS_TIERS_H

#include "CKernels.h"

#define CK_DECLARE_PRODUCTS(tier)                                                             \
  void ck_linear_##tier(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x,        \
                        ck_rows y);                                                           \
  void ck_linear_rounded_##tier(const ck_matrix *w, int64_t first, int64_t outputs,           \
                                ck_rows x, ck_rows y);                                        \
  void ck_linear_transposed_##tier(const ck_matrix *w, int64_t first, int64_t inputs,         \
                                   ck_rows x, ck_rows y, const float *carry);

#define CK_DECLARE_ROWWISE(tier)                                                              \
  void ck_softmax_step_##tier(ck_rows scores, int64_t width, float scale, float *maximum,     \
                              float *sum, float *carry);                                      \
  void ck_rms_norm_##tier(ck_rows x, int64_t width, const float *weight, float epsilon,       \
                          ck_rows y);                                                         \
  void ck_gated_unit_##tier(ck_rows gate, ck_rows up, int64_t width, ck_rows y);

CK_DECLARE_PRODUCTS(scalar)
CK_DECLARE_PRODUCTS(avx2)
CK_DECLARE_PRODUCTS(avx512)
CK_DECLARE_PRODUCTS(avx512_bf16)
CK_DECLARE_ROWWISE(scalar)
CK_DECLARE_ROWWISE(avx2)
CK_DECLARE_ROWWISE(avx512)
CK_DECLARE_ROWWISE(neon)

#endif
