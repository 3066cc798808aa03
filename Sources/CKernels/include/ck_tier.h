// Which instructions a table of functions uses.

#ifndef CK_TIER_H
#define CK_TIER_H

/// The tiers that can be asked for.
typedef enum {
  CK_SCALAR = 0,
  CK_AVX2 = 1,
  CK_AVX512 = 2,
  CK_AVX512_BF16 = 3,
  /// As CK_AVX512_BF16, with tiles of int8 for products of many rows. Asking for a table of this
  /// tier asks the system for the tiles too, on behalf of the whole process.
  CK_AMX = 4,
  /// aarch64 with the dot products of ARMv8.2.
  CK_NEON = 5,
} ck_tier;

#endif
