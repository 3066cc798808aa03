// Weights in panels, and the products with them.
//
// A panel holds 16 rows of a matrix, output rows of y = W x, such that a vector lane is a row: what
// lies side by side in memory are the 16 rows' codes of the same columns. A sum over columns stays
// in its lane from the first column to the last, in one order, whatever tier computes it and
// however many rows of x share the call: that is how all of them return the same bits.
//
// Formats of small codes put four neighbouring columns of a row into the four bytes of a lane, a
// group. Layout of a block, in vectors of 64 bytes:
//
//   F32       one column:    16 floats
//   F16       one column:    16 halves (half a vector)
//   BF16      two columns:   16 pairs
//   F8_E4M3   `scale_columns` columns (fewer in the last block): 16 float32 factors, then a vector
//             for each group
//   Q8_0      32 columns:    a vector for each of 8 groups, code = q + 128
//   Q4_0      32 columns:    4 vectors, each of two groups: the first in the low nibbles
//   Q5_0      32 columns:    a vector of fifth bits (bit 8 b + g of a lane is that of column
//             4 g + b), then as Q4_0
//   Q4_K      256 columns:   3 vectors of factors and offsets of the eight 32s (the 12 bytes of
//             the file format), then 8 times as Q4_0
//   Q5_K      256 columns:   3 vectors as Q4_K, then 8 times as Q5_0
//   Q6_K      256 columns:   4 vectors of int8 factors [16 sixteens][16 lanes], then 16 times: a
//             vector of high bits (bits 8 b + 2 g and the next of a lane are those of column
//             4 g + b), 2 vectors of nibbles
//
// Before the block stands a vector of its units in float16: Q4_K and Q5_K factor and offset,
// [2][16]; Q8_0, Q4_0, Q5_0 and Q6_K one per lane, those of two blocks before both, [2][16]. So a
// panel is read as one stream, which processors follow better than two. Columns are padded with
// zeros to a whole pair or group; rows to a whole panel.

#ifndef CK_PANELS_H
#define CK_PANELS_H

#include <stdint.h>

#include "ck_rows.h"
#include "ck_tier.h"

/// How weights are encoded, in panels as in files. The blocks of files are those of ggml
/// (ggml-common.h, "block_q8_0" and following), which GGUF files hold.
typedef enum {
  CK_PANEL_F32 = 0,
  CK_PANEL_F16 = 1,
  CK_PANEL_BF16 = 2,
  CK_PANEL_F8_E4M3 = 3,
  /// Blocks of 32: float16 d, int8[32]. y = d q.
  CK_PANEL_Q8_0 = 4,
  /// Blocks of 32: float16 d, 32 nibbles (element j low, j + 16 high). y = d (q - 8).
  CK_PANEL_Q4_0 = 5,
  /// Blocks of 32: float16 d, 32 fifth bits, 32 nibbles as in Q4_0. y = d (q - 16).
  CK_PANEL_Q5_0 = 6,
  /// Blocks of 256: float16 d and m, 12 bytes of 6-bit factors s and offsets o for each 32, 256
  /// nibbles. y = d s q - m o.
  CK_PANEL_Q4_K = 7,
  /// The same with 32 bytes of fifth bits before the nibbles.
  CK_PANEL_Q5_K = 8,
  /// Blocks of 256: 256 nibbles, 256 pairs of high bits, int8 factors s for each 16, float16 d.
  /// y = d s (q - 32).
  CK_PANEL_Q6_K = 9,
} ck_panel_format;

/// A block of a row as files store it; one element of formats without blocks.
typedef struct {
  int64_t columns;
  int64_t bytes;
} ck_stored_size;

ck_stored_size ck_stored_size_of(ck_panel_format format);

enum { CK_PANEL_ROWS = 16 };

/// `rows` x `columns` weights in panels, `panel_bytes` apart. `bytes` is aligned to 64.
typedef struct {
  const uint8_t *bytes;
  int64_t rows;
  int64_t columns;
  int64_t panel_bytes;
  /// F8_E4M3: columns that share a factor, a multiple of 4. Else 0.
  int64_t scale_columns;
  ck_panel_format format;
} ck_panels;

/// Bytes of one panel, a multiple of 64. Quantised formats need whole blocks of columns.
int64_t ck_panel_bytes(ck_panel_format format, int64_t columns, int64_t scale_columns);

/// Rows of a matrix as files store them: `row_bytes` apart, in the format's own block layout.
typedef struct {
  const uint8_t *bytes;
  int64_t row_bytes;
  /// 1 to 16; the panel's other rows become zero.
  int64_t rows;
  int64_t columns;
  /// F8_E4M3: factors of this panel's first row, one per `scale_columns` columns.
  const float *scales;
  /// F8_E4M3: floats from the factors of one block of rows to those of the next, the rows of a
  /// block, and how many rows of the first block lie before this panel.
  int64_t scale_stride, scale_rows, scale_skip;
  int64_t scale_columns;
} ck_stored_rows;

/// Lays out one panel.
void ck_pack_panel(ck_panel_format format, ck_stored_rows rows, uint8_t *panel);

/// Row `row` of the stored rows, as float32.
void ck_decode_stored(ck_panel_format format, const ck_stored_rows *rows, int64_t row, float *y);

/// Encodes float32 as F32 or BF16 (to nearest even), whatever the elements are.
void ck_store_row(ck_panel_format format, const float *x, int64_t count, uint8_t *y);

/// How the inputs of a product are encoded.
typedef enum {
  /// As they are.
  CK_INPUT_F32 = 0,
  /// Rounded to nearest even; an odd number of columns is padded with a zero.
  CK_INPUT_BF16 = 1,
  /// Blocks of 32: q = round(x * 127 / max |x|), x = q * scale, scale = max |x| / 127.
  CK_INPUT_INT8_32 = 2,
  /// Blocks of 256.
  CK_INPUT_INT8_256 = 3,
} ck_input_encoding;

/// Encoded rows, each array with a stride of its own (in elements; `values` in bytes).
typedef struct {
  uint8_t *values;
  /// INT8: one per block.
  float *scales;
  /// INT8: what a sum of products with codes starts from, so that codes can be unsigned: minus the
  /// code of zero times the sum of q. INT8_32: one per block; INT8_256: one per 16, for codes that
  /// have 32 as their zero.
  int32_t *starts;
  /// INT8_256: sums of q over each 32; of each four of them the first and third come first.
  int16_t *sums;
  int64_t count;
  int64_t value_stride, scale_stride, start_stride, sum_stride;
} ck_inputs;

/// The products of one tier: y[r, i] = sum over k of x[r, k] * w[16 * first + i, k] for all rows i
/// of `panels` panels from `first` on. Rows beyond the matrix are not written.
///
///   F32, every format:  fused multiply-adds in the order of k.
///   BF16:               BF16 and F8_E4M3. Pairs of columns in order, the second of a pair first,
///                       fused; numbers below 2^-126 in size, given or computed, count as zero.
///                       F8_E4M3 sums each block that way and then adds sum * factor, fused.
///   INT8_32:            Q8_0, Q4_0, Q5_0: the sum of integer products of each block is exact;
///                       y = fma(float(sum), unit * scale, y), blocks in order.
///   INT8_256:           Q4_K, Q5_K, Q6_K: the same with sum = sum over the block's parts of
///                       factor * (integer products); where there are offsets, then
///                       y = fma(-float(sum of offset * (sum of q)), offset unit * scale, y).
typedef void (*ck_panel_product)(const ck_panels *w, int64_t first, int64_t panels,
                                 const ck_inputs *x, ck_rows y);

typedef struct {
  /// By encoding of the inputs.
  ck_panel_product product_float32;
  ck_panel_product product_bfloat16;
  ck_panel_product product_int8_32;
  ck_panel_product product_int8_256;
  /// Encodes `x` (rows of `width` floats) for products with `format`, whose zero the starts depend
  /// on.
  void (*encode)(ck_rows x, int64_t width, ck_input_encoding encoding, ck_panel_format format,
                 ck_inputs y);
} ck_panel_kernels;

/// The operations of a tier, or NULL when this processor or build does not have it.
const ck_panel_kernels *ck_panel_kernels_of(ck_tier tier);

#endif
