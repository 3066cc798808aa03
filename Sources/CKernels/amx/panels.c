// Products with panels for processors with AMX tiles of int8 beside AVX-512 with VNNI.

#if defined(__x86_64__)

#pragma clang attribute push(                                                                    \
  __attribute__((target("amx-tile,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,"         \
                        "avx512vnni,avx2,fma,f16c"))),                                           \
  apply_to = function)
#define CK_TIER amx
#include "../avx512/lanes.h"

#include "../shared/panel.h"
#include "../shared/panel_tiers.h"
#include "../avx512/ints.h"
#include "../shared/vector_codes.h"
#include "../shared/vector_panels.h"
#include "tiles.h"

#include "products.h"
#pragma clang attribute pop

#endif
