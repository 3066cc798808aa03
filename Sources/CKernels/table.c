// The one place where a tier is chosen.

#include <stddef.h>

#include "CKernels.h"
#include "shared/tiers.h"

/// A tier by its instructions for products and for the rest.
#define CK_TABLE(tier, rest)                                              \
  static const ck_kernels tier##_kernels = {                              \
      .linear = ck_linear_##tier,                                         \
      .linear_rounded = ck_linear_rounded_##tier,                         \
      .linear_transposed = ck_linear_transposed_##tier,                   \
      .softmax_step = ck_softmax_step_##rest,                             \
      .rms_norm = ck_rms_norm_##rest,                                     \
      .gated_unit = ck_gated_unit_##rest,                                 \
  }

CK_TABLE(scalar, scalar);

#if defined(__x86_64__)
CK_TABLE(avx2, avx2);
CK_TABLE(avx512, avx512);
CK_TABLE(avx512_bf16, avx512);

static const ck_kernels *vector_kernels_of(ck_tier tier) {
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("f16c");
  int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512cd");
  if (tier == CK_AVX2 && avx2) return &avx2_kernels;
  if (tier == CK_AVX512 && avx512) return &avx512_kernels;
  if (tier == CK_AVX512_BF16 && avx512 && __builtin_cpu_supports("avx512bf16"))
    return &avx512_bf16_kernels;
  return NULL;
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
