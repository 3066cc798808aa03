// Blocks back to float32, element by element as the formats define them.

#include <string.h>

#include "blocks.h"
#include "half.h"

#pragma STDC FP_CONTRACT OFF

static void decode_q8_0(const uint8_t *bytes, float *y) {
  float d = ck_load_half(bytes);
  for (int i = 0; i < CK_BLOCK; i++) y[i] = d * (float)(int8_t)bytes[2 + i];
}

static void decode_q5_0(const uint8_t *bytes, float *y) {
  float d = ck_load_half(bytes);
  for (int i = 0; i < CK_BLOCK; i++) {
    int low = i < 16 ? bytes[6 + i] & 15 : bytes[6 + i - 16] >> 4;
    int high = bytes[2 + i / 8] >> i % 8 & 1;
    y[i] = d * (float)((low | high << 4) - 16);
  }
}

/// - fifth: bits above the nibbles, bit j of byte i for element i of sub-block j; or NULL.
static void decode_range(const uint8_t *bytes, const uint8_t *fifth, const uint8_t *nibbles,
                         float *y) {
  float d = ck_load_half(bytes), m = ck_load_half(bytes + 2);
  const uint8_t *packed = bytes + 4;
  for (int part = 0; part < 8; part++) {
    int factor, offset;
    if (part < 4) {
      factor = packed[part] & 63;
      offset = packed[part + 4] & 63;
    } else {
      factor = (packed[part + 4] & 15) | packed[part - 4] >> 6 << 4;
      offset = packed[part + 4] >> 4 | packed[part] >> 6 << 4;
    }
    float scale = d * (float)factor, shift = m * (float)offset;
    for (int i = 0; i < 32; i++) {
      uint8_t byte = nibbles[part / 2 * 32 + i];
      int level = part % 2 ? byte >> 4 : byte & 15;
      if (fifth) level |= (fifth[i] >> part & 1) << 4;
      y[32 * part + i] = scale * (float)level - shift;
    }
  }
}

static void decode_q4_k(const uint8_t *bytes, float *y) {
  decode_range(bytes, NULL, bytes + 16, y);
}

static void decode_q5_k(const uint8_t *bytes, float *y) {
  decode_range(bytes, bytes + 16, bytes + 48, y);
}

static void decode_q6_k(const uint8_t *bytes, float *y) {
  float d = ck_load_half(bytes + 208);
  for (int i = 0; i < CK_SUPER_BLOCK; i++) {
    int half = i / 128, quarter = i % 128 / 32, column = i % 32;
    uint8_t low = bytes[64 * half + 32 * (quarter % 2) + column];
    int level = quarter / 2 ? low >> 4 : low & 15;
    level |= (bytes[128 + 32 * half + column] >> 2 * quarter & 3) << 4;
    y[i] = d * (float)(int8_t)bytes[192 + i / 16] * (float)(level - 32);
  }
}

static void decode_blocks(void (*decode)(const uint8_t *, float *), int64_t length, int64_t size,
                          const uint8_t *bytes, int64_t count, float *y) {
  for (int64_t block = 0; block < count / length; block++)
    decode(bytes + block * size, y + block * length);
}

void ck_decode_blocks(ck_encoding encoding, const uint8_t *bytes, int64_t count, float *y) {
  switch (encoding) {
    case CK_ENCODING_FLOAT32: memcpy(y, bytes, (size_t)count * 4); return;
    case CK_ENCODING_FLOAT16:
      for (int64_t i = 0; i < count; i++) y[i] = ck_load_half(bytes + 2 * i);
      return;
    case CK_ENCODING_BFLOAT16:
      for (int64_t i = 0; i < count; i++)
        y[i] = ck_float_of_bits((uint32_t)(bytes[2 * i] | bytes[2 * i + 1] << 8) << 16);
      return;
    case CK_ENCODING_Q8_0: decode_blocks(decode_q8_0, CK_BLOCK, 34, bytes, count, y); return;
    case CK_ENCODING_Q5_0: decode_blocks(decode_q5_0, CK_BLOCK, 22, bytes, count, y); return;
    case CK_ENCODING_Q4_K: decode_blocks(decode_q4_k, CK_SUPER_BLOCK, 144, bytes, count, y); return;
    case CK_ENCODING_Q5_K: decode_blocks(decode_q5_k, CK_SUPER_BLOCK, 176, bytes, count, y); return;
    case CK_ENCODING_Q6_K: decode_blocks(decode_q6_k, CK_SUPER_BLOCK, 210, bytes, count, y); return;
  }
}
