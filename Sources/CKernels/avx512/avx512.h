// Declarations of the AVX-512 tier.

#ifndef CKERNELS_AVX512_H
#define CKERNELS_AVX512_H

#include "CKernels.h"

void ck_linear_avx512(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x, ck_rows y);
void ck_linear_transposed_avx512(const ck_matrix *w, int64_t first, int64_t inputs, ck_rows x,
  ck_rows y, const float *carry);
void ck_softmax_step_avx512(ck_rows scores, int64_t width, float scale, float *maximum, float *sum,
  float *carry);
void ck_rms_norm_avx512(ck_rows x, int64_t width, const float *weight, float epsilon, ck_rows y);
void ck_gated_unit_avx512(ck_rows gate, ck_rows up, int64_t width, ck_rows y);

#endif
