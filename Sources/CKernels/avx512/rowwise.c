// Operations on single rows for processors with AVX-512 F, BW, DQ and VL.

#if defined(__x86_64__)

#pragma clang attribute push( \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c"))), \
  apply_to = function)
#define CK_TIER avx512
#include "lanes.h"

#include "../shared/vector_rowwise.h"
#pragma clang attribute pop

#endif
