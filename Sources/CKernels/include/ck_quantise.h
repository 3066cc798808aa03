// Rows of float32 to the stored formats, for writing model files.
//
// Quantising searches for the factors of least weighted squared error; the weight of an
// element is its size plus the root mean square of its neighbours, since large weights matter more
// to a product. Results do not depend on the processor.

#ifndef CK_QUANTISE_H
#define CK_QUANTISE_H

#include <stdint.h>

#include "ck_panels.h"

/// What came of encoding a row.
typedef enum {
  CK_ENCODED = 0,
  /// An element is infinite or not a number.
  CK_NOT_FINITE = 1,
  /// An element is beyond what the format can hold.
  CK_OUT_OF_RANGE = 2,
} ck_encoded;

/// Encodes `count` elements, whole blocks, as any format but F8_E4M3 and Q4_0. What is written
/// after a failure means nothing.
ck_encoded ck_encode_row(ck_panel_format format, const float *x, int64_t count, uint8_t *bytes);

#endif
