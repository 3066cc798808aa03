// The loops' common parts.

#ifndef CKERNELS_LIMITS_LOOPS_H
#define CKERNELS_LIMITS_LOOPS_H

#include "ck_limits.h"

#define CK_INLINE static inline __attribute__((always_inline))

/// Independent sums of a loop: latency times instructions per cycle on every processor so far.
#if defined(__aarch64__)
enum { CK_LIMIT_SUMS = 16 };
#else
enum { CK_LIMIT_SUMS = 12 };
#endif

/// Likewise of a loop over tiles: as many as there are beside their factors.
enum { CK_LIMIT_TILES = 4 };

#define CK_DECLARE_LIMITS(tier)                                           \
  uint64_t ck_limit_read_##tier(const uint8_t *bytes, int64_t count);     \
  uint32_t ck_limit_int8_##tier(int64_t rounds);                          \
  uint32_t ck_limit_float32_##tier(int64_t rounds);

CK_DECLARE_LIMITS(scalar)
CK_DECLARE_LIMITS(avx2)
CK_DECLARE_LIMITS(avx512)
CK_DECLARE_LIMITS(neon)
uint32_t ck_limit_bfloat16_avx512_bf16(int64_t rounds);
uint32_t ck_limit_int8_amx(int64_t rounds);

#endif
