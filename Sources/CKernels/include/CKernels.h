// Arithmetic on raw rows: what every operation computes, and the table through which it is called.
//
// One arithmetic for all tiers: a sum over an inner dimension is kept in 16 lanes, lane l taking
// the elements l, l + 16, l + 32, ... in that order by fused multiply-add; the lanes are then added
// in halves (8 + 8, 4 + 4, 2 + 2, 1 + 1). Of a bfloat16 matrix a lane takes pairs, which is how a
// register of them is decoded in two operations: lane l takes elements 2 l + 1 and 2 l of each
// group of 32, the second of the pair first. The result of an output element therefore depends
// neither on the tier nor on how many other rows or outputs are computed in the same call. The
// files under scalar/ are the definition; the others must return the same bits.
//
// Nothing here allocates, locks, touches a file or keeps state. Pointers may be unaligned.

#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdint.h>

#include "ck_limits.h"
#include "ck_panels.h"
#include "ck_tier.h"

/// How the elements of a matrix are stored; numbered as in `ElementFormat.kernelFormat`.
typedef enum {
  CK_FLOAT32 = 0,
  CK_FLOAT16 = 1,
  CK_BFLOAT16 = 2,
  /// e4m3fn (bias 7, 0x7F and 0xFF are NaN, no infinities) with one float32 multiplier per block.
  CK_FLOAT8_E4M3 = 3,
} ck_format;

/// A row-major matrix of `rows` x `columns` elements, rows `row_stride` elements apart.
typedef struct {
  const void *elements;
  /// CK_FLOAT8_E4M3: float32 multipliers, row-major, [ceil(rows / block_rows), scale_stride]; else
  /// NULL.
  const void *scales;
  int64_t rows;
  int64_t columns;
  int64_t row_stride;
  int64_t scale_stride;
  int32_t block_rows;
  /// A multiple of 16.
  int32_t block_columns;
  ck_format format;
} ck_matrix;

/// Rows of float32: `count` rows, `stride` elements apart.
typedef struct {
  float *elements;
  int64_t count;
  int64_t stride;
} ck_rows;

/// The widest matrix of `linear_rounded`.
enum { CK_ROUNDED_COLUMNS = 65536 };

/// The operations of one instruction-set tier.
typedef struct {
  /// y[r, o - first] = sum over k of x[r, k] * w[o, k], for o in first ..< first + outputs.
  void (*linear)(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x, ck_rows y);

  /// The same for a bfloat16 matrix, with x rounded to bfloat16 first (to nearest even) and every
  /// number below 2^-126 in size, given or computed, taken as zero: what processors have an
  /// instruction for. At most CK_ROUNDED_COLUMNS columns.
  void (*linear_rounded)(const ck_matrix *w, int64_t first, int64_t outputs, ck_rows x, ck_rows y);

  /// y[r, k] = carry[r] * y[r, k] + sum over i of x[r, i] * w[first + i, k], for i in 0 ..< inputs
  /// and all columns k, added in the order of i. Without carry (NULL) the sum starts at zero.
  void (*linear_transposed)(const ck_matrix *w, int64_t first, int64_t inputs, ck_rows x, ck_rows y,
                            const float *carry);

  /// One step of a running softmax for each row of `scores` (`width` columns, replaced by weights):
  /// s = scale * score; m' = max(m, s...); weights = exp(s - m'); carry = exp(m - m');
  /// sum = carry * sum + weights. Start with m = -infinity and sum = 0. A NaN score weighs nothing.
  void (*softmax_step)(ck_rows scores, int64_t width, float scale, float *maximum, float *sum,
                       float *carry);

  /// y = weight * (x / sqrt(mean(x^2) + epsilon)), per row of `width` columns; y may be x.
  void (*rms_norm)(ck_rows x, int64_t width, const float *weight, float epsilon, ck_rows y);

  /// y = silu(gate) * up = gate / (1 + exp(-gate)) * up, elementwise; y may be gate or up.
  void (*gated_unit)(ck_rows gate, ck_rows up, int64_t width, ck_rows y);
} ck_kernels;

/// The table of a tier, or NULL when this processor or build does not have it.
const ck_kernels *ck_kernels_of(ck_tier tier);

/// e^x in float32, about 1 ulp; x is clamped to [-87.3, 88.3], so the result is finite and
/// positive; NaN counts as the lower bound.
float ck_exp(float x);

/// Row `row` of a matrix as float32.
void ck_decode_row(const ck_matrix *w, int64_t row, float *y);

/// float32 to bfloat16, to nearest even; NaN stays NaN.
void ck_encode_bfloat16(const float *x, int64_t count, uint16_t *y);

/// y[i] += factor * x[i], one rounding for the product and one for the sum.
void ck_add_scaled(const float *x, float factor, int64_t count, float *y);

#endif
