// Latent attention over float32 and bfloat16 for processors with AVX2, FMA and F16C.

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "words.h"

#include "../shared/vector_attention_float.h"
#pragma clang attribute pop

#endif
