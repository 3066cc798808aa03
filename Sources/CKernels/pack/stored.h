// Blocks as files store them (ggml's layouts, as GGUF files carry them), taken apart.

#ifndef CKERNELS_STORED_H
#define CKERNELS_STORED_H

#include "../shared/panel.h"

/// One block of a row: codes in the order of columns, and what they are multiplied with.
typedef struct {
  uint8_t codes[256];
  /// float16 bits of the units of factors and offsets.
  uint16_t unit, offset_unit;
  /// Q4_K, Q5_K: the twelve bytes of 6-bit factors and offsets.
  uint8_t packed_factors[12];
  /// Q6_K: factors of the sixteens.
  int8_t factors[16];
} stored_block;

/// Takes a quantised block apart.
static inline void stored_read(ck_panel_format format, const uint8_t *bytes, stored_block *block) {
  uint8_t *codes = block->codes;
  const uint8_t *high, *low;
  switch (format) {
    case CK_PANEL_Q8_0:
      block->unit = ck_load16(bytes);
      for (int k = 0; k < 32; k++) codes[k] = bytes[2 + k] ^ 0x80;
      break;
    case CK_PANEL_Q4_0:
      block->unit = ck_load16(bytes);
      for (int k = 0; k < 16; k++) {
        codes[k] = bytes[2 + k] & 15;
        codes[k + 16] = bytes[2 + k] >> 4;
      }
      break;
    case CK_PANEL_Q5_0:
      block->unit = ck_load16(bytes);
      for (int k = 0; k < 16; k++) {
        codes[k] = (bytes[6 + k] & 15) | (bytes[2 + k / 8] >> (k % 8) & 1) << 4;
        codes[k + 16] = bytes[6 + k] >> 4 | (bytes[4 + k / 8] >> (k % 8) & 1) << 4;
      }
      break;
    case CK_PANEL_Q4_K:
    case CK_PANEL_Q5_K:
      block->unit = ck_load16(bytes);
      block->offset_unit = ck_load16(bytes + 2);
      memcpy(block->packed_factors, bytes + 4, 12);
      high = bytes + 16;
      low = bytes + (format == CK_PANEL_Q5_K ? 48 : 16);
      for (int g = 0; g < 4; g++)
        for (int k = 0; k < 32; k++) {
          codes[64 * g + k] = low[32 * g + k] & 15;
          codes[64 * g + 32 + k] = low[32 * g + k] >> 4;
        }
      if (format == CK_PANEL_Q5_K)
        for (int g = 0; g < 8; g++)
          for (int k = 0; k < 32; k++) codes[32 * g + k] |= (high[k] >> g & 1) << 4;
      break;
    case CK_PANEL_Q6_K:
      for (int n = 0; n < 2; n++)
        for (int k = 0; k < 32; k++) {
          low = bytes + 64 * n + k;
          int bits = bytes[128 + 32 * n + k];
          uint8_t *part = codes + 128 * n + k;
          part[0] = (low[0] & 15) | (bits & 3) << 4;
          part[32] = (low[32] & 15) | (bits >> 2 & 3) << 4;
          part[64] = low[0] >> 4 | (bits >> 4 & 3) << 4;
          part[96] = low[32] >> 4 | (bits >> 6 & 3) << 4;
        }
      memcpy(block->factors, bytes + 192, 16);
      block->unit = ck_load16(bytes + 208);
      break;
    default: __builtin_unreachable();
  }
}

#endif
