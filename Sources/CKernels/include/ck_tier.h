// Which instructions a table of functions uses.

#ifndef CK_TIER_H
#define CK_TIER_H

/// The tiers that can be asked for.
typedef enum {
  CK_SCALAR = 0,
  CK_AVX2 = 1,
  CK_AVX512 = 2,
  CK_AVX512_BF16 = 3,
  /// aarch64 with the dot products of ARMv8.2.
  CK_NEON = 4,
} ck_tier;

#endif
