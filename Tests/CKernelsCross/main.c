// Tries every tier that this processor has against the scalar one, bit for bit.
//
//   kernels SEED [TIERS]
//
// TIERS is how many tiers beside the scalar one there must be. The output is a digest of the scalar
// results, which is the same for a seed on every architecture.

#include <stdlib.h>

#include "AMXModel.h"
#include "cases.h"
#include "support.h"

static void try_tier(ck_tier tier, uint64_t seed) {
  start_over(seed);
  try_products(ck_panel_kernels_of(tier));
  try_every_value(ck_panel_kernels_of(tier));
  try_rowwise(ck_kernels_of(tier));
  try_attention(tier);
  try_limits(tier);
}

int main(int count, char **arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: %s SEED [TIERS]\n", arguments[0]);
    return 2;
  }
  uint64_t seed = strtoull(arguments[1], NULL, 10);
  static const char *names[] = {"scalar", "avx2", "avx512", "avx512_bf16", "amx", "neon"};
  long found = 0;
  if (amx_model() != NULL) {
    start_over(seed);
    try_products(amx_model());
    fprintf(stderr, "modelled amx equals scalar (seed %llu)\n", (unsigned long long)seed);
  }
  for (int tier = CK_AVX2; tier <= CK_NEON; tier++) {
    if (ck_kernels_of((ck_tier)tier) == NULL) continue;
    found++;
    try_tier((ck_tier)tier, seed);
    fprintf(stderr, "%s equals scalar (seed %llu)\n", names[tier], (unsigned long long)seed);
  }
  if (count > 2 && found != strtol(arguments[2], NULL, 10)) {
    fprintf(stderr, "%ld fast tiers instead of %s\n", found, arguments[2]);
    return 1;
  }
  if (found == 0) try_tier(CK_SCALAR, seed);
  printf("%016llx\n", (unsigned long long)digest());
  return 0;
}
