// Rows of any format: the plain formats, and block after block of the others.

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

static ck_encoded encode_block(ck_panel_format format, const float *x, uint8_t *bytes) {
  switch (format) {
    case CK_PANEL_Q8_0: return ck_encode_q8_0(x, bytes);
    case CK_PANEL_Q5_0: return ck_encode_q5_0(x, bytes);
    case CK_PANEL_Q4_K: return ck_encode_q4_k(x, bytes);
    case CK_PANEL_Q5_K: return ck_encode_q5_k(x, bytes);
    case CK_PANEL_Q6_K: return ck_encode_q6_k(x, bytes);
    default: __builtin_unreachable();
  }
}

static ck_encoded encode_blocks(ck_panel_format format, const float *x, int64_t count,
                                uint8_t *bytes) {
  ck_stored_size size = ck_stored_size_of(format);
  for (int64_t block = 0; block < count / size.columns; block++) {
    ck_encoded result = encode_block(format, x + block * size.columns, bytes + block * size.bytes);
    if (result != CK_ENCODED) return result;
  }
  return CK_ENCODED;
}

ck_encoded ck_encode_row(ck_panel_format format, const float *x, int64_t count, uint8_t *bytes) {
  if (!is_finite(x, count)) return CK_NOT_FINITE;
  switch (format) {
    case CK_PANEL_F32: memcpy(bytes, x, (size_t)count * 4); return CK_ENCODED;
    case CK_PANEL_F16: return encode_float16(x, count, bytes);
    case CK_PANEL_BF16: return encode_bfloat16(x, count, bytes);
    default: return encode_blocks(format, x, count, bytes);
  }
}
