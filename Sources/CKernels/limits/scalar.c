// The loops in plain C: sixteen lanes, as the definitions of the kernels have them.

#include <string.h>

#include "loops.h"

enum { LANES = 16 };

uint64_t ck_limit_read_scalar(const uint8_t *bytes, int64_t count) {
  uint64_t sums[4] = {0};
  for (int64_t i = 0; i < count; i += 32)
    for (int s = 0; s < 4; s++) {
      uint64_t word;
      memcpy(&word, bytes + i + 8 * s, sizeof word);
      sums[s] += word;
    }
  return sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
}

uint32_t ck_limit_int8_scalar(int64_t rounds) {
  int8_t x[LANES];
  uint8_t w[LANES];
  uint32_t sums[LANES] = {0};
  for (int l = 0; l < LANES; l++) x[l] = (int8_t)(l - 8), w[l] = (uint8_t)(3 * l);
  for (int64_t i = 0; i < rounds; i++) {
    // The operands are taken for new ones in each round.
    __asm__ volatile("" : "+m"(x), "+m"(w));
    for (int l = 0; l < LANES; l++) sums[l] += (uint32_t)(x[l] * w[l]);
  }
  uint32_t all = 0;
  for (int l = 0; l < LANES; l++) all ^= sums[l];
  return all;
}

uint32_t ck_limit_float32_scalar(int64_t rounds) {
  float x[LANES], w[LANES], sums[LANES] = {0};
  for (int l = 0; l < LANES; l++) x[l] = 0.5f, w[l] = (float)l;
  for (int64_t i = 0; i < rounds; i++) {
    __asm__ volatile("" : "+m"(x), "+m"(w));
    for (int l = 0; l < LANES; l++) sums[l] += x[l] * w[l];
  }
  float all = 0;
  for (int l = 0; l < LANES; l++) all += sums[l];
  uint32_t bits;
  memcpy(&bits, &all, sizeof bits);
  return bits;
}
