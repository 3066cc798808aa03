// Rows of float32, the inputs and outputs of most operations.

#ifndef CK_ROWS_H
#define CK_ROWS_H

#include <stdint.h>

/// Rows of float32: `count` rows, `stride` elements apart.
typedef struct {
  float *elements;
  int64_t count;
  int64_t stride;
} ck_rows;

#endif
