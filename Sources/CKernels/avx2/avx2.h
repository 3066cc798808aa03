// Declarations of the AVX2 tier.

#ifndef CKERNELS_AVX2_H
#define CKERNELS_AVX2_H

#include "CKernels.h"

void ck_linear_avx2(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x, ck_rows y);
void ck_linear_transposed_avx2(const ck_matrix *w, int64_t first, int64_t inputs, ck_rows x,
  ck_rows y, const float *carry);
void ck_softmax_step_avx2(ck_rows scores, int64_t width, float scale, float *maximum, float *sum,
  float *carry);
void ck_rms_norm_avx2(ck_rows x, int64_t width, const float *weight, float epsilon, ck_rows y);
void ck_gated_unit_avx2(ck_rows gate, ck_rows up, int64_t width, ck_rows y);

#endif
