// Latent attention with rounded inputs for processors with AVX-512 BF16.

#if defined(__x86_64__)

#pragma clang attribute push( \
  __attribute__((target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c"))), \
  apply_to = function)
#define CK_TIER avx512_bf16
#define CK_DOT_BFLOAT16
#include "../avx512/words.h"

#include "../shared/vector_attention_float.h"
#pragma clang attribute pop

#endif
