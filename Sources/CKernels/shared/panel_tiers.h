// The functions on panels that every tier has, named after it.

#ifndef CKERNELS_PANEL_TIERS_H
#define CKERNELS_PANEL_TIERS_H

#include "ck_panels.h"

#define CK_DECLARE_PRODUCT(encoding, tier)                                                   \
  void ck_product_##encoding##_##tier(const ck_panels *w, int64_t first, int64_t panels,     \
                                      const ck_inputs *x, ck_rows y);

#define CK_DECLARE_ENCODE(tier)                                                  \
  void ck_encode_##tier(ck_rows x, int64_t width, ck_input_encoding encoding, \
                        ck_panel_format format, ck_inputs y);

#define CK_DECLARE_PANEL_TIER(tier)                                                         \
  CK_DECLARE_PRODUCT(float32, tier)                                                         \
  CK_DECLARE_PRODUCT(int8_32, tier)                                                         \
  CK_DECLARE_PRODUCT(int8_256, tier)                                                        \
  CK_DECLARE_ENCODE(tier)

CK_DECLARE_PANEL_TIER(scalar)
CK_DECLARE_PANEL_TIER(avx2)
CK_DECLARE_PANEL_TIER(avx512)
CK_DECLARE_PANEL_TIER(neon)
// Where no instruction rounds inputs, products with rounded ones are the definition's.
CK_DECLARE_PRODUCT(bfloat16, scalar)
CK_DECLARE_PRODUCT(bfloat16, avx512_bf16)
CK_DECLARE_ENCODE(avx512_bf16)
CK_DECLARE_PRODUCT(int8_32, amx)
CK_DECLARE_PRODUCT(int8_256, amx)

#endif
