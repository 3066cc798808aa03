// The tile instructions that products use, under names that their definition in C bears too.
// Macros, because the numbers of tiles are part of the instructions.
//
// A thread's tiles are its own: each product configures and releases those of the thread that it
// runs on, which no other knows of. A thread that holds none is switched without their eight KiB.

#ifndef CKERNELS_AMX_TILES_H
#define CKERNELS_AMX_TILES_H

#include <immintrin.h>

#include "configuration.h"

/// Loads a `tile_configuration`, which zeroes all tiles.
#define tiles_configure(configuration) _tile_loadconfig(configuration)
#define tiles_release() _tile_release()
#define tile_zero(tile) _tile_zero(tile)
/// Rows of the configured size, `stride` bytes apart.
#define tile_load(tile, bytes, stride) _tile_loadd(tile, bytes, stride)
#define tile_store(tile, bytes, stride) _tile_stored(tile, bytes, stride)
/// sums[m][n] += the sum over k of the products of the four bytes inputs[m][k] with the four bytes
/// weights[k][n]; those of the inputs are signed, those of the weights if `are_signed`.
#define tile_dot(sums, inputs, weights, are_signed) \
  ((are_signed) ? _tile_dpbssd(sums, inputs, weights) : _tile_dpbsud(sums, inputs, weights))

#endif
