// Matrix products for processors with AVX2, FMA and F16C.

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "lanes.h"

#include "../shared/vector_linear.h"
#pragma clang attribute pop

#endif
