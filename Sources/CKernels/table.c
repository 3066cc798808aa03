// The one place where a tier is chosen.

#include <stddef.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "CKernels.h"
#include "shared/panel_tiers.h"
#include "shared/tiers.h"

/// A tier's operations on single rows.
#define CK_ROWWISE_TABLE(tier)                                                              \
  static const ck_kernels tier##_kernels = {.rms_norm = ck_rms_norm_##tier,                 \
                                            .gated_unit = ck_gated_unit_##tier}

/// A tier's products with panels, those of rounded and of integer inputs, and its encoding.
#define CK_PANEL_TABLE(name, tier, rounded, integers, encoder)                                  \
  static const ck_panel_kernels name##_panels = {                                               \
      .product_float32 = ck_product_float32_##tier,                                             \
      .product_bfloat16 = ck_product_bfloat16_##rounded,                                        \
      .product_int8_32 = ck_product_int8_32_##integers,                                         \
      .product_int8_256 = ck_product_int8_256_##integers,                                       \
      .encode = ck_encode_##encoder,                                                            \
  }

CK_ROWWISE_TABLE(scalar);
CK_PANEL_TABLE(scalar, scalar, scalar, scalar, scalar);

#if defined(__x86_64__)
CK_ROWWISE_TABLE(avx2);
CK_ROWWISE_TABLE(avx512);
CK_PANEL_TABLE(avx2, avx2, scalar, avx2, avx2);
CK_PANEL_TABLE(avx512, avx512, scalar, avx512, avx512);
CK_PANEL_TABLE(avx512_bf16, avx512, avx512_bf16, avx512, avx512_bf16);
CK_PANEL_TABLE(amx, avx512, avx512_bf16, amx, avx512_bf16);

static const ck_kernels *vector_kernels_of(ck_tier tier) {
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("f16c");
  int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni");
  if (tier == CK_AVX2 && avx2) return &avx2_kernels;
  if (tier == CK_AVX512 && avx512) return &avx512_kernels;
  int bfloat16 = avx512 && __builtin_cpu_supports("avx512bf16");
  if (tier == CK_AVX512_BF16 && bfloat16) return &avx512_kernels;
  if (tier == CK_AMX && bfloat16 && ck_tiles_are_usable()) return &avx512_kernels;
  return NULL;
}
#elif defined(__aarch64__)
CK_ROWWISE_TABLE(neon);
CK_PANEL_TABLE(neon, neon, scalar, neon, neon);

static const ck_kernels *vector_kernels_of(ck_tier tier) {
  int dot_products = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  return tier == CK_NEON && dot_products ? &neon_kernels : NULL;
}
#else
static const ck_kernels *vector_kernels_of(ck_tier tier) {
  (void)tier;
  return NULL;
}
#endif

const ck_kernels *ck_kernels_of(ck_tier tier) {
  return tier == CK_SCALAR ? &scalar_kernels : vector_kernels_of(tier);
}

const ck_panel_kernels *ck_panel_kernels_of(ck_tier tier) {
  if (ck_kernels_of(tier) == NULL) return NULL;
  switch (tier) {
    case CK_SCALAR: return &scalar_panels;
#if defined(__x86_64__)
    case CK_AVX2: return &avx2_panels;
    case CK_AVX512: return &avx512_panels;
    case CK_AVX512_BF16: return &avx512_bf16_panels;
    case CK_AMX: return &amx_panels;
#elif defined(__aarch64__)
    case CK_NEON: return &neon_panels;
#endif
    default: return NULL;
  }
}
