// Operations on single rows with NEON, which every aarch64 processor has.

#if defined(__aarch64__)

#include "lanes.h"

#include "../shared/vector_rowwise.h"

#endif
