// The loops of each tier.

#include "loops.h"

/// Where no instruction multiplies bfloat16, its products are those of float32.
static const ck_limits scalar_limits = {
    .read = ck_limit_read_scalar,
    .int8 = {ck_limit_int8_scalar, 16},
    .bfloat16 = {ck_limit_float32_scalar, 16},
    .float32 = {ck_limit_float32_scalar, 16},
};

#if defined(__x86_64__)
static const ck_limits avx2_limits = {
    .read = ck_limit_read_avx2,
    .int8 = {ck_limit_int8_avx2, CK_LIMIT_SUMS * 32},
    .bfloat16 = {ck_limit_float32_avx2, CK_LIMIT_SUMS * 8},
    .float32 = {ck_limit_float32_avx2, CK_LIMIT_SUMS * 8},
};

static const ck_limits avx512_limits = {
    .read = ck_limit_read_avx512,
    .int8 = {ck_limit_int8_avx512, CK_LIMIT_SUMS * 64},
    .bfloat16 = {ck_limit_float32_avx512, CK_LIMIT_SUMS * 16},
    .float32 = {ck_limit_float32_avx512, CK_LIMIT_SUMS * 16},
};

static const ck_limits avx512_bf16_limits = {
    .read = ck_limit_read_avx512,
    .int8 = {ck_limit_int8_avx512, CK_LIMIT_SUMS * 64},
    .bfloat16 = {ck_limit_bfloat16_avx512_bf16, CK_LIMIT_SUMS * 32},
    .float32 = {ck_limit_float32_avx512, CK_LIMIT_SUMS * 16},
};

static const ck_limits amx_limits = {
    .read = ck_limit_read_avx512,
    .int8 = {ck_limit_int8_amx, CK_LIMIT_TILES * 16 * 16 * 64},
    .bfloat16 = {ck_limit_bfloat16_avx512_bf16, CK_LIMIT_SUMS * 32},
    .float32 = {ck_limit_float32_avx512, CK_LIMIT_SUMS * 16},
};
#elif defined(__aarch64__)
static const ck_limits neon_limits = {
    .read = ck_limit_read_neon,
    .int8 = {ck_limit_int8_neon, CK_LIMIT_SUMS * 16},
    .bfloat16 = {ck_limit_float32_neon, CK_LIMIT_SUMS * 4},
    .float32 = {ck_limit_float32_neon, CK_LIMIT_SUMS * 4},
};
#endif

const ck_limits *ck_limits_of(ck_tier tier) {
  switch (tier) {
#if defined(__x86_64__)
    case CK_AVX2: return &avx2_limits;
    case CK_AVX512: return &avx512_limits;
    case CK_AVX512_BF16: return &avx512_bf16_limits;
    case CK_AMX: return &amx_limits;
#elif defined(__aarch64__)
    case CK_NEON: return &neon_limits;
#endif
    default: return &scalar_limits;
  }
}
