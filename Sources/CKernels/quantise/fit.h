// The search for the factor (and offset) of a sub-block: many candidates side by side, each refined
// by weighted least squares.

#ifndef CKERNELS_FIT_H
#define CKERNELS_FIT_H

/// What stands for a sub-block: x[i] is about scale * level[i] + offset.
typedef struct {
  float scale;
  float offset;
} ck_fit;

/// Elements of a normalised block (the largest size is from 0.5 to 1) below this are zero.
#define CK_NEGLIGIBLE 0x1p-40f

/// Levels 0 ... levels, offset <= 0, scale >= 0, for `count` normalised elements.
ck_fit ck_fit_range(const float *x, const float *weights, int count, float levels);

/// Levels -half ... half - 1, offset 0, scale of either sign, for `count` normalised elements.
ck_fit ck_fit_symmetric(const float *x, const float *weights, int count, float half);

/// weights[i] = |x[i]| + root mean square of x; all 1 where everything is zero.
void ck_fit_weights(const float *x, int count, float *weights);

#endif
