// The loop for processors with tiles of int8.

#if defined(__x86_64__)

#include "../amx/tiles.h"
#include "loops.h"

#pragma clang attribute push(__attribute__((target("amx-tile,amx-int8"))), apply_to = function)

uint32_t ck_limit_int8_amx(int64_t rounds) {
  tile_configuration configuration = {.palette = 1};
  for (int tile = 0; tile < TILE_COUNT; tile++) {
    configuration.row_bytes[tile] = TILE_ROW_BYTES;
    configuration.rows[tile] = TILE_ROWS;
  }
  uint8_t bytes[TILE_ROWS * TILE_ROW_BYTES];
  for (int i = 0; i < TILE_ROWS * TILE_ROW_BYTES; i++) bytes[i] = (uint8_t)i;
  tiles_configure(&configuration);
  tile_load(4, bytes, TILE_ROW_BYTES);
  tile_load(5, bytes, TILE_ROW_BYTES);
  for (int64_t i = 0; i < rounds; i++) {
    tile_dot(0, 4, 5, 1);
    tile_dot(1, 4, 5, 1);
    tile_dot(2, 4, 5, 1);
    tile_dot(3, 4, 5, 1);
  }
  uint32_t sums[CK_LIMIT_TILES][TILE_ROWS * TILE_ROW_BYTES / 4];
  tile_store(0, sums[0], TILE_ROW_BYTES);
  tile_store(1, sums[1], TILE_ROW_BYTES);
  tile_store(2, sums[2], TILE_ROW_BYTES);
  tile_store(3, sums[3], TILE_ROW_BYTES);
  tiles_release();
  return sums[0][0] ^ sums[1][1] ^ sums[2][2] ^ sums[3][3];
}

#pragma clang attribute pop

#endif
