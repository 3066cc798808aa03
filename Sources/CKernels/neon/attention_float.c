// Latent attention over float32 and bfloat16 with NEON.

#if defined(__aarch64__)

#include "words.h"

#include "../shared/vector_attention_float.h"

#endif
