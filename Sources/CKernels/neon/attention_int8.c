// Latent attention over int8 for processors with the dot products of ARMv8.2.

#if defined(__aarch64__)

#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#define CK_DOT_INT8
#include "words.h"

#include "../shared/vector_attention_int8.h"
#pragma clang attribute pop

#endif
