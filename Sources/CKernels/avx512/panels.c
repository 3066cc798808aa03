// Products with panels for processors with AVX-512 F, BW, DQ, VL and VNNI.

#if defined(__x86_64__)

#pragma clang attribute push( \
  __attribute__((             \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vnni,avx2,fma,f16c"))), \
  apply_to = function)
#define CK_TIER avx512
#include "lanes.h"

#include "../shared/panel.h"
#include "../shared/panel_tiers.h"
#include "ints.h"

/// Calls `tile` with its last argument, the rows, as a constant.
#define CK_INT_TILE_CASES(tile, ...)         \
  case 1: tile(__VA_ARGS__, 1); break;       \
  case 2: tile(__VA_ARGS__, 2); break;       \
  case 3: tile(__VA_ARGS__, 3); break;       \
  case 4: tile(__VA_ARGS__, 4); break;       \
  case 5: tile(__VA_ARGS__, 5); break;       \
  case 6: tile(__VA_ARGS__, 6); break;       \
  case 7: tile(__VA_ARGS__, 7); break;       \
  case 8: tile(__VA_ARGS__, 8); break;

#define CK_FLOAT_TILE_CASES CK_INT_TILE_CASES
enum { CK_FLOAT_TILE_ROWS = CK_INT_TILE_ROWS };

#include "../shared/vector_panels.h"
#include "../shared/vector_panels_int8.h"

#include "../shared/vector_panels_float.h"

#include "../shared/vector_encode.h"
#pragma clang attribute pop

#endif
