// The AMX tier's products over modelled instructions.

#include "AMXModel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "tiles.h"

#pragma clang attribute push(                                                             \
  __attribute__((                                                                         \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vnni,avx2,fma,f16c"))),   \
  apply_to = function)
#define CK_TIER amx_model
#include "../../Sources/CKernels/avx512/lanes.h"

#include "../../Sources/CKernels/shared/panel.h"
#include "../../Sources/CKernels/shared/panel_tiers.h"
#include "../../Sources/CKernels/avx512/ints.h"
#include "../../Sources/CKernels/shared/vector_codes.h"
#include "../../Sources/CKernels/shared/vector_panels.h"

#include "../../Sources/CKernels/amx/products.h"
#pragma clang attribute pop

#define AMX_MODEL(suffix)                                      \
  (ck_panel_kernels) {                                         \
    .product_float32 = ck_product_float32_avx512,              \
    .product_bfloat16 = ck_product_bfloat16_avx512_bf16,       \
    .product_int8_32 = ck_product_int8_32_amx_model##suffix,   \
    .product_int8_256 = ck_product_int8_256_amx_model##suffix, \
    .encode = ck_encode_avx512_bf16,                           \
  }

#define WITH_FAULT(encoding)                                                                     \
  static void ck_product_##encoding##_amx_model_with_fault(                                      \
      const ck_panels *w, int64_t first, int64_t panels, const ck_inputs *x, ck_rows y) {        \
    ck_product_##encoding##_amx_model(w, first, panels, x, y);                                   \
    if (x->count > FEW_ROWS) y.elements[(x->count - 1) * y.stride] += 1;                         \
  }

WITH_FAULT(int8_32)
WITH_FAULT(int8_256)

static const ck_panel_kernels model = AMX_MODEL(), model_with_fault = AMX_MODEL(_with_fault);

const ck_panel_kernels *amx_model(void) {
  return ck_kernels_of(CK_AVX512_BF16) != NULL ? &model : NULL;
}

const ck_panel_kernels *amx_model_with_fault(void) {
  return ck_kernels_of(CK_AVX512_BF16) != NULL ? &model_with_fault : NULL;
}

int amx_model_holds_tiles(void) { return tile_state.palette != 0; }

#else

const ck_panel_kernels *amx_model(void) { return 0; }
const ck_panel_kernels *amx_model_with_fault(void) { return 0; }
int amx_model_holds_tiles(void) { return 0; }

#endif
