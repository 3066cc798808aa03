// Rows of float32 to the stored formats, for writing model files.
//
// The layouts of blocks are those of ggml (ggml-common.h, "block_q8_0" and following), which GGUF
// files hold. Quantising searches for the factors of least weighted squared error; the weight of an
// element is its size plus the root mean square of its neighbours, since large weights matter more
// to a product. Results do not depend on the processor.

#ifndef CK_QUANTISE_H
#define CK_QUANTISE_H

#include <stdint.h>

/// What a row can be encoded as.
typedef enum {
  CK_ENCODING_FLOAT32 = 0,
  CK_ENCODING_FLOAT16 = 1,
  CK_ENCODING_BFLOAT16 = 2,
  /// Blocks of 32: float16 d, int8[32]. y = d q.
  CK_ENCODING_Q8_0 = 3,
  /// Blocks of 32: float16 d, 32 fifth bits, 32 nibbles (element j low, j + 16 high).
  /// y = d (q - 16).
  CK_ENCODING_Q5_0 = 4,
  /// Blocks of 256: float16 d and m, 12 bytes of 6-bit factors s and offsets o for each 32, 256
  /// nibbles. y = d s q - m o.
  CK_ENCODING_Q4_K = 5,
  /// The same with 32 bytes of fifth bits before the nibbles.
  CK_ENCODING_Q5_K = 6,
  /// Blocks of 256: 256 nibbles, 256 pairs of high bits, int8 factors s for each 16, float16 d.
  /// y = d s (q - 32).
  CK_ENCODING_Q6_K = 7,
} ck_encoding;

/// What came of encoding a row.
typedef enum {
  CK_ENCODED = 0,
  /// An element is infinite or not a number.
  CK_NOT_FINITE = 1,
  /// An element is beyond what the format can hold.
  CK_OUT_OF_RANGE = 2,
} ck_encoded;

/// Encodes `count` elements, whole blocks. What is written after a failure means nothing.
ck_encoded ck_encode_row(ck_encoding encoding, const float *x, int64_t count, uint8_t *bytes);

#endif
