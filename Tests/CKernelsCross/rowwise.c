// The operations on single rows, at every width around the lanes of a vector.

#include <math.h>

#include "cases.h"
#include "support.h"

/// Elements from the first row's first to the last row's last.
static int64_t extent(float_rows x, int64_t width) { return (x.count - 1) * x.stride + width; }

static ck_rows raw(float_rows x) { return (ck_rows){x.elements, x.count, x.stride}; }

static void compare(const char *what, float_rows expected, float_rows actual, int64_t width) {
  expect_same_floats(what, expected.elements, actual.elements, extent(expected, width));
  digest_floats(expected.elements, extent(expected, width));
}

static void try_norm(const ck_kernels *tier, int64_t count, int64_t width, number_kind kind) {
  float_rows x = random_rows(count, width, kind), weight = random_rows(1, width, ORDINARY);
  float_rows expected = copy_rows(x, width), actual = copy_rows(x, width);
  ck_kernels_of(CK_SCALAR)->rms_norm(raw(x), width, weight.elements, 1e-6f, raw(expected));
  tier->rms_norm(raw(x), width, weight.elements, 1e-6f, raw(actual));
  compare("rms_norm", expected, actual, width);
  actual = copy_rows(x, width);
  tier->rms_norm(raw(actual), width, weight.elements, 1e-6f, raw(actual));
  compare("rms_norm in place", expected, actual, width);
}

static void try_gated_unit(const ck_kernels *tier, int64_t count, int64_t width, number_kind kind) {
  float_rows gate = random_rows(count, width, kind), up = random_rows(count, width, ORDINARY);
  float_rows expected = copy_rows(gate, width), actual = copy_rows(gate, width);
  ck_kernels_of(CK_SCALAR)->gated_unit(raw(gate), raw(up), width, raw(expected));
  tier->gated_unit(raw(gate), raw(up), width, raw(actual));
  compare("gated_unit", expected, actual, width);
  actual = copy_rows(gate, width);
  tier->gated_unit(raw(actual), raw(up), width, raw(actual));
  compare("gated_unit in place of the gate", expected, actual, width);
  actual = copy_rows(up, width);
  float_rows own = random_rows(count, width, ORDINARY);
  ck_kernels_of(CK_SCALAR)->gated_unit(raw(gate), raw(up), width, raw(own));
  tier->gated_unit(raw(gate), raw(actual), width, raw(actual));
  for (int64_t r = 0; r < count; r++)
    expect_same_floats("gated_unit in place of up", own.elements + r * own.stride,
                       actual.elements + r * actual.stride, width);
}

void try_rowwise(const ck_kernels *tier) {
  for (int64_t width = 1; width <= 80; width++)
    for (int kind = ORDINARY; kind <= SPECIAL; kind++) {
      int64_t count = random_between(1, 4), columns = width > 70 ? width * 7 : width;
      describe("%lld rows of %lld", (long long)count, (long long)columns);
      try_norm(tier, count, columns, (number_kind)kind);
      try_gated_unit(tier, count, columns, (number_kind)kind);
      release_all();
    }
}
