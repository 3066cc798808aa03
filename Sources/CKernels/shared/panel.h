// What every tier needs to know of panels: sizes, and single elements by the layout's definition.

#ifndef CKERNELS_PANEL_H
#define CKERNELS_PANEL_H

#include "CKernels.h"
#include "ck_panels.h"
#include "decode.h"

// Products and sums of float are rounded one by one, in every tier.
#pragma STDC FP_CONTRACT OFF

enum { CK_VECTOR = 64 };

/// Columns of a block.
static inline int64_t ck_block_columns(ck_panel_format format, int64_t scale_columns) {
  switch (format) {
    case CK_PANEL_F32:
    case CK_PANEL_F16: return 1;
    case CK_PANEL_BF16: return 2;
    case CK_PANEL_F8_E4M3: return scale_columns;
    case CK_PANEL_Q8_0:
    case CK_PANEL_Q4_0:
    case CK_PANEL_Q5_0: return 32;
    case CK_PANEL_Q4_K:
    case CK_PANEL_Q5_K:
    case CK_PANEL_Q6_K: return 256;
  }
  __builtin_unreachable();
}

/// Bytes of a whole block.
static inline int64_t ck_block_bytes(ck_panel_format format, int64_t scale_columns) {
  switch (format) {
    case CK_PANEL_F32:
    case CK_PANEL_BF16: return CK_VECTOR;
    case CK_PANEL_F16: return CK_VECTOR / 2;
    case CK_PANEL_F8_E4M3: return CK_VECTOR * (1 + scale_columns / 4);
    case CK_PANEL_Q8_0: return CK_VECTOR * 8;
    case CK_PANEL_Q4_0: return CK_VECTOR * 4;
    case CK_PANEL_Q5_0: return CK_VECTOR * 5;
    case CK_PANEL_Q4_K: return CK_VECTOR * (3 + 8 * 4);
    case CK_PANEL_Q5_K: return CK_VECTOR * (3 + 8 * 5);
    case CK_PANEL_Q6_K: return CK_VECTOR * (4 + 16 * 3);
  }
  __builtin_unreachable();
}

/// Blocks that share a vector of units: their float16 fill it. 0 for formats without.
static inline int64_t ck_unit_blocks(ck_panel_format format) {
  switch (format) {
    case CK_PANEL_F32:
    case CK_PANEL_F16:
    case CK_PANEL_BF16:
    case CK_PANEL_F8_E4M3: return 0;
    case CK_PANEL_Q8_0:
    case CK_PANEL_Q4_0:
    case CK_PANEL_Q5_0:
    case CK_PANEL_Q6_K: return 2;
    case CK_PANEL_Q4_K:
    case CK_PANEL_Q5_K: return 1;
  }
  __builtin_unreachable();
}

/// Where the vectors of a block begin in its panel.
static inline int64_t ck_vectors_offset(ck_panel_format format, int64_t scale_columns,
                                        int64_t block) {
  int64_t sharing = ck_unit_blocks(format);
  int64_t units = sharing > 0 ? (block / sharing + 1) * CK_VECTOR : 0;
  return units + block * ck_block_bytes(format, scale_columns);
}

/// Where the units of a block of a quantised format begin in its panel.
static inline int64_t ck_units_offset(ck_panel_format format, int64_t block) {
  int64_t sharing = ck_unit_blocks(format), place = block % sharing;
  return ck_vectors_offset(format, 0, block - place) - CK_VECTOR + place * (CK_VECTOR / sharing);
}

/// Where the sum of the 32 inputs of part `part` stands: in each four the even ones come first.
static inline int64_t ck_sum_place(int64_t part) {
  return part / 4 * 4 + part % 2 * 2 + part % 4 / 2;
}

/// The code that stands for zero.
static inline int ck_zero_code(ck_panel_format format) {
  switch (format) {
    case CK_PANEL_Q8_0: return 128;
    case CK_PANEL_Q4_0: return 8;
    case CK_PANEL_Q5_0: return 16;
    case CK_PANEL_Q6_K: return 32;
    default: return 0;
  }
}

static inline uint16_t ck_load16(const uint8_t *bytes) {
  uint16_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

static inline float ck_load_float(const uint8_t *bytes) {
  float value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

/// One block of a panel.
typedef struct {
  ck_panel_format format;
  /// Its units, and its vectors.
  const uint8_t *units;
  const uint8_t *vectors;
} ck_block;

static inline ck_block ck_block_at(const ck_panels *w, int64_t panel, int64_t block) {
  const uint8_t *bytes = w->bytes + panel * w->panel_bytes;
  return (ck_block){
      .format = w->format,
      .units = ck_unit_blocks(w->format) > 0 ? bytes + ck_units_offset(w->format, block) : NULL,
      .vectors = bytes + ck_vectors_offset(w->format, w->scale_columns, block)};
}

/// A byte of the lane's part of a vector.
static inline int ck_lane_byte(const uint8_t *vectors, int64_t vector, int lane, int64_t byte) {
  return vectors[vector * CK_VECTOR + lane * 4 + byte];
}

/// The nibble of column `k` among groups that share vectors by twos.
static inline int ck_nibble(const uint8_t *vectors, int lane, int64_t k) {
  int byte = ck_lane_byte(vectors, k / 8, lane, k % 4);
  return k / 4 % 2 == 0 ? byte & 15 : byte >> 4;
}

/// The code of column `k` of a quantised block, as stored.
static inline int ck_code(ck_block b, int lane, int64_t k) {
  const uint8_t *part;
  switch (b.format) {
    case CK_PANEL_Q8_0: return ck_lane_byte(b.vectors, k / 4, lane, k % 4);
    case CK_PANEL_Q4_0: return ck_nibble(b.vectors, lane, k);
    case CK_PANEL_Q4_K: return ck_nibble(b.vectors + 3 * CK_VECTOR, lane, k);
    case CK_PANEL_Q5_0:
    case CK_PANEL_Q5_K:
      part = b.vectors + (b.format == CK_PANEL_Q5_K ? 3 : 0) * CK_VECTOR + k / 32 * 5 * CK_VECTOR;
      k %= 32;
      return ck_nibble(part + CK_VECTOR, lane, k) |
             (ck_lane_byte(part, 0, lane, k % 4) >> (k / 4) & 1) << 4;
    case CK_PANEL_Q6_K:
      part = b.vectors + (4 + k / 16 * 3) * CK_VECTOR;
      k %= 16;
      return ck_nibble(part + CK_VECTOR, lane, k) |
             (ck_lane_byte(part, 0, lane, k % 4) >> (2 * (k / 4)) & 3) << 4;
    default: __builtin_unreachable();
  }
}

/// Factor and offset, in units, of the part of a 256-block that column `k` belongs to.
static inline void ck_part_factors(ck_block b, int lane, int64_t k, int *factor, int *offset) {
  if (b.format == CK_PANEL_Q6_K) {
    *factor = (int8_t)b.vectors[k / 16 * 16 + lane];
    *offset = 0;
    return;
  }
  int64_t j = k / 32 % 4;
  int low = ck_lane_byte(b.vectors, 0, lane, j), middle = ck_lane_byte(b.vectors, 1, lane, j);
  int high = ck_lane_byte(b.vectors, 2, lane, j);
  *factor = k < 128 ? low & 63 : (high & 15) | (low >> 6) << 4;
  *offset = k < 128 ? middle & 63 : high >> 4 | (middle >> 6) << 4;
}

static inline float ck_unit(ck_block b, int lane, int which) {
  return ck_decode_float16(ck_load16(b.units + which * 32 + lane * 2));
}

/// Column `k` of a block as float32, as readers of the file formats compute it: (unit * factor) *
/// code - offset unit * offset, with a rounding each.
static inline float ck_weight(ck_block b, int lane, int64_t k) {
  int factor, offset;
  switch (b.format) {
    case CK_PANEL_F32: return ck_load_float(b.vectors + lane * 4);
    case CK_PANEL_F16: return ck_decode_float16(ck_load16(b.vectors + lane * 2));
    case CK_PANEL_BF16:
      return ck_float_of_bits((uint32_t)ck_load16(b.vectors + lane * 4 + k * 2) << 16);
    case CK_PANEL_F8_E4M3:
      return ck_decode_float8((uint8_t)ck_lane_byte(b.vectors, 1 + k / 4, lane, k % 4)) *
             ck_load_float(b.vectors + lane * 4);
    case CK_PANEL_Q8_0:
    case CK_PANEL_Q4_0:
    case CK_PANEL_Q5_0:
      return (float)(ck_code(b, lane, k) - ck_zero_code(b.format)) * ck_unit(b, lane, 0);
    case CK_PANEL_Q6_K:
      ck_part_factors(b, lane, k, &factor, &offset);
      return ck_unit(b, lane, 0) * (float)factor * (float)(ck_code(b, lane, k) - 32);
    case CK_PANEL_Q4_K:
    case CK_PANEL_Q5_K:
      ck_part_factors(b, lane, k, &factor, &offset);
      return ck_unit(b, lane, 0) * (float)factor * (float)ck_code(b, lane, k) -
             ck_unit(b, lane, 1) * (float)offset;
  }
  __builtin_unreachable();
}

#endif
