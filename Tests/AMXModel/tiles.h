// The tile instructions by their definition: Intel 64 and IA-32 Architectures Software Developer's
// Manual, volume 2, LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED, TDPBSSD and TDPBSUD.
// What raises an exception there ends the process here.

#ifndef AMXMODEL_TILES_H
#define AMXMODEL_TILES_H

#include <stdlib.h>
#include <string.h>

#include "../../Sources/CKernels/amx/configuration.h"

typedef struct {
  uint8_t bytes[TILE_ROWS][TILE_ROW_BYTES];
} tile_register;

/// A thread's state. The palette is 0 while nothing is configured.
static _Thread_local tile_configuration tile_state;
static _Thread_local tile_register tile_registers[TILE_COUNT];

static inline void require(int holds) {
  if (!holds) abort();
}

static inline void tiles_release(void) {
  memset(&tile_state, 0, sizeof tile_state);
  memset(tile_registers, 0, sizeof tile_registers);
}

static inline void tiles_configure(const void *configuration) {
  tiles_release();
  memcpy(&tile_state, configuration, sizeof tile_state);
  require(tile_state.palette == 1 && tile_state.start_row == 0);
  for (int i = 0; i < (int)sizeof tile_state.reserved; i++) require(tile_state.reserved[i] == 0);
  for (int tile = 0; tile < 16; tile++) {
    int rows = tile_state.rows[tile], row_bytes = tile_state.row_bytes[tile];
    require(rows <= TILE_ROWS && row_bytes <= TILE_ROW_BYTES && (rows == 0) == (row_bytes == 0));
    require(tile < TILE_COUNT || rows == 0);
  }
}

static inline void require_tile(int tile) {
  require(tile_state.palette == 1 && tile_state.rows[tile] > 0);
}

static inline void tile_zero(int tile) {
  require_tile(tile);
  memset(&tile_registers[tile], 0, sizeof tile_registers[tile]);
}

static inline void tile_load(int tile, const void *bytes, int64_t stride) {
  tile_zero(tile);
  for (int m = 0; m < tile_state.rows[tile]; m++)
    memcpy(tile_registers[tile].bytes[m], (const char *)bytes + m * stride,
           tile_state.row_bytes[tile]);
}

static inline void tile_store(int tile, void *bytes, int64_t stride) {
  require_tile(tile);
  for (int m = 0; m < tile_state.rows[tile]; m++)
    memcpy((char *)bytes + m * stride, tile_registers[tile].bytes[m],
           tile_state.row_bytes[tile]);
}

static inline void tile_dot(int sums, int inputs, int weights, int are_signed) {
  require_tile(sums);
  require_tile(inputs);
  require_tile(weights);
  require(sums != inputs && inputs != weights && sums != weights);
  const tile_configuration *state = &tile_state;
  require(state->rows[sums] == state->rows[inputs]);
  require(state->row_bytes[inputs] == 4 * state->rows[weights]);
  require(state->row_bytes[sums] == state->row_bytes[weights]);
  require(state->row_bytes[sums] % 4 == 0);
  for (int m = 0; m < state->rows[sums]; m++)
    for (int n = 0; n < state->row_bytes[sums] / 4; n++) {
      uint8_t *place = tile_registers[sums].bytes[m] + 4 * n;
      int32_t sum;
      memcpy(&sum, place, sizeof sum);
      for (int k = 0; k < state->row_bytes[inputs]; k++) {
        int x = (int8_t)tile_registers[inputs].bytes[m][k];
        int code = tile_registers[weights].bytes[k / 4][4 * n + k % 4];
        sum += x * (are_signed ? (int8_t)code : code);
      }
      memcpy(place, &sum, sizeof sum);
    }
}

#endif
