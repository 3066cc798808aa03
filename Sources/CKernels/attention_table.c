// The one place where the operations of latent attention are chosen.

#include <stddef.h>

#include "shared/attention.h"

/// A table by the instructions for its form, for packing and steps, and for merging; and by whose
/// pages are filled.
#define CK_ATTENTION_TABLE(form, tier, rest, filling)         \
  static const ck_attention form##_##tier##_attention = {     \
      .fill = ck_attention_fill_##filling,                    \
      .pack = ck_attention_pack_##form##_##tier,              \
      .step = ck_attention_step_##form##_##tier,              \
      .merge = ck_attention_merge_##rest,                     \
  }

CK_ATTENTION_TABLE(float, scalar, scalar, float_scalar);
CK_ATTENTION_TABLE(rounded, scalar, scalar, rounded_scalar);
CK_ATTENTION_TABLE(int8, scalar, scalar, float_scalar);

static const ck_attention *scalar_attention_of(ck_attention_form form) {
  return form == CK_ATTEND_INT8      ? &int8_scalar_attention
         : form == CK_ATTEND_ROUNDED ? &rounded_scalar_attention
                                     : &float_scalar_attention;
}

#if defined(__x86_64__)
CK_ATTENTION_TABLE(float, avx2, avx2, float_scalar);
CK_ATTENTION_TABLE(int8, avx2, avx2, float_scalar);
CK_ATTENTION_TABLE(float, avx512, avx512, float_scalar);
CK_ATTENTION_TABLE(int8, avx512, avx512, float_scalar);
CK_ATTENTION_TABLE(int8, avx512_vnni, avx512, float_scalar);
CK_ATTENTION_TABLE(rounded, avx512_bf16, avx512, rounded_avx512_bf16);

/// Only the instructions for rounded inputs make them worth having; else the definition serves.
static const ck_attention *vector_attention_of(ck_tier tier, ck_attention_form form) {
  if (form == CK_ATTEND_ROUNDED)
    return tier == CK_AVX512_BF16 || tier == CK_AMX ? &rounded_avx512_bf16_attention
                                                    : scalar_attention_of(form);
  if (tier == CK_AVX2) return form == CK_ATTEND_INT8 ? &int8_avx2_attention : &float_avx2_attention;
  if (form != CK_ATTEND_INT8) return &float_avx512_attention;
  return __builtin_cpu_supports("avx512vnni") ? &int8_avx512_vnni_attention
                                              : &int8_avx512_attention;
}
#elif defined(__aarch64__)
CK_ATTENTION_TABLE(float, neon, neon, float_scalar);
CK_ATTENTION_TABLE(int8, neon, neon, float_scalar);

/// No instruction of this tier rounds inputs: the definition serves.
static const ck_attention *vector_attention_of(ck_tier tier, ck_attention_form form) {
  if (tier != CK_NEON || form == CK_ATTEND_ROUNDED) return scalar_attention_of(form);
  return form == CK_ATTEND_INT8 ? &int8_neon_attention : &float_neon_attention;
}
#else
static const ck_attention *vector_attention_of(ck_tier tier, ck_attention_form form) {
  (void)tier;
  return scalar_attention_of(form);
}
#endif

const ck_attention *ck_attention_of(ck_tier tier, ck_attention_form form) {
  if (tier == CK_SCALAR) return scalar_attention_of(form);
  return ck_kernels_of(tier) == NULL ? NULL : vector_attention_of(tier, form);
}
