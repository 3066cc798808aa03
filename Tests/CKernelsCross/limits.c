// The loops that say what a processor can do at most.

#include "cases.h"
#include "support.h"

void try_limits(ck_tier tier) {
  const ck_limits *limits = ck_limits_of(tier);
  describe("limits");
  int64_t count = 256 * random_between(1, 16);
  uint8_t *bytes = guarded(count);
  uint64_t before = limits->read(bytes, count);
  for (int i = 0; i < 100; i++) {
    int64_t place = random_between(0, count - 1);
    bytes[place] ^= (uint8_t)(1 << random_between(0, 7));
    uint64_t after = limits->read(bytes, count);
    if (after == before) fail("sum after a change of byte", place, ~before, after);
    before = after;
  }
  limits->int8.run(3);
  limits->bfloat16.run(3);
  limits->float32.run(3);
  release_all();
}
