// What a processor can do at most: loops that do nothing but one instruction, for measuring what
// the kernels are held against.

#ifndef CK_LIMITS_H
#define CK_LIMITS_H

#include <stdint.h>

#include "ck_tier.h"

/// Multiply-adds in a loop whose operands stay in registers. Does `rounds` rounds of it and returns
/// something that depends on all of them.
typedef struct {
  uint32_t (*run)(int64_t rounds);
  /// Multiply-adds of a round.
  int64_t round;
} ck_limit_loop;

typedef struct {
  /// Reads `count` bytes, a multiple of 256, from an address aligned to 64; returns something that
  /// depends on all of them.
  uint64_t (*read)(const uint8_t *bytes, int64_t count);
  /// Products of uint8 and int8 added up in int32, of bfloat16 pairs in float32, and of float32.
  ck_limit_loop int8, bfloat16, float32;
} ck_limits;

/// The loops of a tier, in the instructions that its kernels use; those of the plainest tier when
/// there are none. The processor must have the tier.
const ck_limits *ck_limits_of(ck_tier tier);

#endif
