// Rows of any encoding: the plain formats, and block after block of the others.

#include <string.h>

#include "CKernels.h"
#include "blocks.h"
#include "half.h"

static int is_finite(const float *x, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; i++) {
    uint32_t size = ck_bits_of_float(x[i]) & 0x7FFFFFFF;
    largest = size > largest ? size : largest;
  }
  return largest < 0x7F800000u;
}

static ck_encoded encode_float16(const float *x, int64_t count, uint8_t *bytes) {
  int overflows = 0;
  for (int64_t i = 0; i < count; i++) {
    uint16_t half = ck_half_of_float(x[i]);
    overflows |= ck_half_is_infinite(half);
    ck_store_half(bytes + 2 * i, half);
  }
  return overflows ? CK_OUT_OF_RANGE : CK_ENCODED;
}

static ck_encoded encode_bfloat16(const float *x, int64_t count, uint8_t *bytes) {
  int overflows = 0;
  for (int64_t i = 0; i < count; i++) {
    uint16_t half;
    ck_encode_bfloat16(x + i, 1, &half);
    overflows |= (half & 0x7FFF) == 0x7F80;
    ck_store_half(bytes + 2 * i, half);
  }
  return overflows ? CK_OUT_OF_RANGE : CK_ENCODED;
}

static ck_encoded encode_blocks(ck_encoded (*encode)(const float *, uint8_t *), int64_t length,
                                int64_t size, const float *x, int64_t count, uint8_t *bytes) {
  for (int64_t block = 0; block < count / length; block++) {
    ck_encoded result = encode(x + block * length, bytes + block * size);
    if (result != CK_ENCODED) return result;
  }
  return CK_ENCODED;
}

ck_encoded ck_encode_row(ck_encoding encoding, const float *x, int64_t count, uint8_t *bytes) {
  if (!is_finite(x, count)) return CK_NOT_FINITE;
  switch (encoding) {
    case CK_ENCODING_FLOAT32: memcpy(bytes, x, (size_t)count * 4); return CK_ENCODED;
    case CK_ENCODING_FLOAT16: return encode_float16(x, count, bytes);
    case CK_ENCODING_BFLOAT16: return encode_bfloat16(x, count, bytes);
    case CK_ENCODING_Q8_0: return encode_blocks(ck_encode_q8_0, CK_BLOCK, 34, x, count, bytes);
    case CK_ENCODING_Q5_0: return encode_blocks(ck_encode_q5_0, CK_BLOCK, 22, x, count, bytes);
    case CK_ENCODING_Q4_K:
      return encode_blocks(ck_encode_q4_k, CK_SUPER_BLOCK, 144, x, count, bytes);
    case CK_ENCODING_Q5_K:
      return encode_blocks(ck_encode_q5_k, CK_SUPER_BLOCK, 176, x, count, bytes);
    case CK_ENCODING_Q6_K:
      return encode_blocks(ck_encode_q6_k, CK_SUPER_BLOCK, 210, x, count, bytes);
  }
  __builtin_unreachable();
}
