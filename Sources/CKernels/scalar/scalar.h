// Declarations of the scalar tier, and the order in which lanes are summed.

#ifndef CKERNELS_SCALAR_H
#define CKERNELS_SCALAR_H

#include "CKernels.h"

enum { CK_LANES = 16 };

static inline float ck_sum_lanes(float lanes[CK_LANES]) {
  for (int half = CK_LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

void ck_linear_scalar(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x, ck_rows y);
void ck_linear_transposed_scalar(const ck_matrix *w, int64_t first, int64_t inputs, ck_rows x,
                                 ck_rows y, const float *carry);
void ck_softmax_step_scalar(ck_rows scores, int64_t width, float scale, float *maximum, float *sum,
                            float *carry);
void ck_rms_norm_scalar(ck_rows x, int64_t width, const float *weight, float epsilon, ck_rows y);
void ck_gated_unit_scalar(ck_rows gate, ck_rows up, int64_t width, ck_rows y);

#endif
