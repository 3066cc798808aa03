// Random matrices in panels, and inputs for products with them.

#ifndef CROSS_PANELS_H
#define CROSS_PANELS_H

#include "ck_panels.h"
#include "support.h"

/// Columns of a block of the format as files store it; 1 for the float formats.
int64_t block_columns(ck_panel_format format);
/// The encoding that products with the format take, beside float32.
ck_input_encoding native_encoding(ck_panel_format format);

/// `rows` x `columns` random weights, none of them infinite or no number.
ck_panels random_panels(ck_panel_format format, int64_t rows, int64_t columns);

/// Encoded rows in guarded memory, not encoded yet; strides have random gaps.
typedef struct {
  ck_inputs inputs;
  int64_t value_bytes, scale_count, start_count, sum_count;
} encoded_rows;
encoded_rows encoded_make(ck_input_encoding encoding, int64_t count, int64_t width);
/// The same strides in memory of its own.
encoded_rows encoded_like(encoded_rows x);

#endif
