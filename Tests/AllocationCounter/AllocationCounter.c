// The allocating functions of C, counted. glibc allows a program to replace them as long as it
// replaces them together; memory comes from glibc all the same, so `free` needs no replacement.
// Sanitizers replace them first, memory and all: they call a hook instead
// (compiler-rt, sanitizer/allocator_interface.h).

#include "AllocationCounter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

struct allocation_count {
  _Atomic uint64_t value;
};

static _Thread_local allocation_count *joined;

__attribute__((disable_sanitizer_instrumentation)) static void count_one(void) {
  if (joined) atomic_fetch_add_explicit(&joined->value, 1, memory_order_relaxed);
}

allocation_count *allocation_count_new(void) { return __libc_calloc(1, sizeof(allocation_count)); }
void allocation_count_free(allocation_count *count) { __libc_free(count); }
void allocation_count_join(allocation_count *count) { joined = count; }
uint64_t allocation_count_value(const allocation_count *count) {
  return atomic_load_explicit(&count->value, memory_order_relaxed);
}

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

/// Called after each allocation, from within the sanitizer.
__attribute__((disable_sanitizer_instrumentation)) void __sanitizer_malloc_hook(
    const volatile void *block, size_t size) {
  (void)block, (void)size;
  count_one();
}

#else

void *malloc(size_t size) {
  count_one();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  count_one();
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  count_one();
  return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
  count_one();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  void *memory = memalign(alignment, size);
  if (!memory) return ENOMEM;
  *block = memory;
  return 0;
}

#endif
