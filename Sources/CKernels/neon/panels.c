// Products with panels for processors with the dot products of ARMv8.2.

#if defined(__aarch64__)

#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "lanes.h"

#include "../shared/panel.h"
#include "../shared/panel_tiers.h"
#include "ints.h"

/// Calls `tile` with its last argument, the rows, as a constant.
#define CK_INT_TILE_CASES(tile, ...)     \
  case 1: tile(__VA_ARGS__, 1); break;   \
  case 2: tile(__VA_ARGS__, 2); break;   \
  case 3: tile(__VA_ARGS__, 3); break;   \
  case 4: tile(__VA_ARGS__, 4); break;
#define CK_FLOAT_TILE_CASES(tile, ...)   \
  CK_INT_TILE_CASES(tile, __VA_ARGS__)   \
  case 5: tile(__VA_ARGS__, 5); break;   \
  case 6: tile(__VA_ARGS__, 6); break;

#include "../shared/vector_panels.h"
#include "../shared/vector_panels_int8.h"

#include "../shared/vector_panels_float.h"

#include "../shared/vector_encode.h"
#pragma clang attribute pop

#endif
