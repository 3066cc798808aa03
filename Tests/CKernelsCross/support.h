// What the cases share: random numbers, memory with an unreadable end, comparison of bits, and a
// digest of the definition's results.

#ifndef CROSS_SUPPORT_H
#define CROSS_SUPPORT_H

#include <stdint.h>
#include <stdio.h>

/// Starts random numbers and digest over: a seed gives the same cases on every architecture.
void start_over(uint64_t seed);
/// A whole number from `low` to `high`, both included.
int64_t random_between(int64_t low, int64_t high);
/// A number from -`size` to `size`.
float random_float(float size);

/// What numbers rows have: ordinary ones, some that are special, or such as become halves when they
/// are encoded as int8.
typedef enum { ORDINARY, SPECIAL, HALVES } number_kind;
/// Rows of random numbers with random gaps between them.
typedef struct {
  float *elements;
  int64_t count, stride;
} float_rows;
float_rows random_rows(int64_t count, int64_t width, number_kind kind);
/// The same numbers in memory of their own.
float_rows copy_rows(float_rows x, int64_t width);

/// Memory that ends at an unreadable page, filled with a canary. Unaligned unless `bytes` is a
/// multiple of the alignment. Ends the process when there is none.
void *guarded(int64_t bytes);
/// Returns all guarded memory.
void release_all(void);

/// Says what is being tried, for the message of a failure.
#define describe(...) snprintf(context, sizeof context, __VA_ARGS__)
extern char context[160];

/// End the process with a message unless both have the same bits; one NaN is like another.
void expect_same_floats(const char *what, const float *expected, const float *actual,
                        int64_t count);
void expect_same_bytes(const char *what, const void *expected, const void *actual,
                       int64_t count);
/// Ends the process with a message.
_Noreturn void fail(const char *what, int64_t index, uint64_t expected, uint64_t actual);

/// Takes results of the definition into the digest; again one NaN is like another.
void digest_floats(const float *x, int64_t count);
void digest_bytes(const void *x, int64_t count);
uint64_t digest(void);

#endif
