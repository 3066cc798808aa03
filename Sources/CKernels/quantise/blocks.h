// Bytes of one block of each format: what the encoders share.

#ifndef CKERNELS_BLOCKS_H
#define CKERNELS_BLOCKS_H

#include <stdint.h>

#include "ck_quantise.h"

enum { CK_BLOCK = 32, CK_SUPER_BLOCK = 256 };

/// One block to bytes; elements are finite.
ck_encoded ck_encode_q8_0(const float *x, uint8_t *bytes);
ck_encoded ck_encode_q5_0(const float *x, uint8_t *bytes);
ck_encoded ck_encode_q4_k(const float *x, uint8_t *bytes);
ck_encoded ck_encode_q5_k(const float *x, uint8_t *bytes);
ck_encoded ck_encode_q6_k(const float *x, uint8_t *bytes);

#endif
