// How tiles are configured (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
// LDTILECFG).

#ifndef CKERNELS_AMX_CONFIGURATION_H
#define CKERNELS_AMX_CONFIGURATION_H

#include <stdint.h>

enum { TILE_COUNT = 8, TILE_ROWS = 16, TILE_ROW_BYTES = 64 };

/// What LDTILECFG reads. The tiles of palette 1 are eight.
typedef struct {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_configuration;

_Static_assert(sizeof(tile_configuration) == 64, "the size that the instruction reads");

#endif
