// The 16 lanes of a sum over an inner dimension, and the order in which they are added.

#ifndef CKERNELS_SCALAR_LANES_H
#define CKERNELS_SCALAR_LANES_H

enum { CK_LANES = 16 };

static inline float ck_sum_lanes(float lanes[CK_LANES]) {
  for (int half = CK_LANES / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

#endif
