// Random numbers, guarded memory, comparison and digest.

#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

char context[160];
static uint64_t first_seed, state, hash;

/// What `release_all` returns.
static struct {
  void *start;
  size_t size;
} mappings[64];
static size_t mapping_count;

void start_over(uint64_t seed) {
  first_seed = state = seed;
  hash = 0xCBF29CE484222325;
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
static uint64_t random_bits(void) {
  uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

int64_t random_between(int64_t low, int64_t high) {
  return low + (int64_t)(random_bits() % (uint64_t)(high - low + 1));
}

float random_float(float size) {
  return (float)((int64_t)(random_bits() >> 40) - (1 << 23)) * 0x1p-23f * size;
}

/// A number that arithmetic treats specially, but no zero: which of two zeros is the larger is
/// undefined.
static float random_special(void) {
  static const float values[] = {
      1e-40f, -1e-40f, 0x1p-126f, 1e-30f, 3e38f, -3e38f, 1e30f, 88.4f, -87.4f, 100.0f, -100.0f,
      __builtin_inff(), -__builtin_inff(), __builtin_nanf(""), 1.0f,
  };
  return values[random_between(0, (int64_t)(sizeof values / sizeof *values) - 1)];
}

/// The number at column `k`. Halves have 127 as their largest in every block.
static float random_number(number_kind kind, int64_t k) {
  if (kind == HALVES) return k % 32 == 0 ? 127 : (float)random_between(-254, 254) / 2;
  return kind == SPECIAL && random_between(0, 9) == 0 ? random_special() : random_float(4);
}

float_rows random_rows(int64_t count, int64_t width, number_kind kind) {
  int64_t stride = width + random_between(0, 5);
  float_rows x = {guarded(((count - 1) * stride + width) * 4), count, stride};
  for (int64_t r = 0; r < count; r++)
    for (int64_t k = 0; k < width; k++) x.elements[r * stride + k] = random_number(kind, k);
  return x;
}

float_rows copy_rows(float_rows x, int64_t width) {
  int64_t bytes = ((x.count - 1) * x.stride + width) * 4;
  float_rows y = {guarded(bytes), x.count, x.stride};
  memcpy(y.elements, x.elements, (size_t)bytes);
  return y;
}

void *guarded(int64_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t size = ((size_t)bytes + page - 1) / page * page;
  char *start = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  size_t limit = sizeof mappings / sizeof *mappings;
  if (start == MAP_FAILED || mprotect(start + size, page, PROT_NONE) != 0 ||
      mapping_count == limit) {
    fprintf(stderr, "no memory for %s\n", context);
    exit(1);
  }
  mappings[mapping_count].start = start;
  mappings[mapping_count++].size = size + page;
  return memset(start + size - (size_t)bytes, 0xA5, (size_t)bytes);
}

void release_all(void) {
  while (mapping_count > 0) {
    mapping_count--;
    munmap(mappings[mapping_count].start, mappings[mapping_count].size);
  }
}

void fail(const char *what, int64_t index, uint64_t expected, uint64_t actual) {
  fprintf(stderr, "seed %llu: %s: %s %lld is %llx instead of %llx\n",
          (unsigned long long)first_seed, context, what, (long long)index,
          (unsigned long long)actual, (unsigned long long)expected);
  exit(1);
}

/// Its bits, those of one NaN for all.
static uint32_t bits_of(const float *x) {
  uint32_t bits;
  memcpy(&bits, x, sizeof bits);
  return (bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC00000 : bits;
}

void expect_same_floats(const char *what, const float *expected, const float *actual,
                        int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (bits_of(expected + i) != bits_of(actual + i))
      fail(what, i, bits_of(expected + i), bits_of(actual + i));
}

void expect_same_bytes(const char *what, const void *expected, const void *actual, int64_t count) {
  const uint8_t *a = expected, *b = actual;
  for (int64_t i = 0; i < count; i++)
    if (a[i] != b[i]) fail(what, i, a[i], b[i]);
}

/// FNV-1a.
void digest_bytes(const void *x, int64_t count) {
  const uint8_t *bytes = x;
  for (int64_t i = 0; i < count; i++) hash = (hash ^ bytes[i]) * 0x100000001B3;
}

void digest_floats(const float *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits = bits_of(x + i);
    digest_bytes(&bits, sizeof bits);
  }
}

uint64_t digest(void) { return hash; }
