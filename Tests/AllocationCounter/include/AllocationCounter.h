// Counts the heap allocations of chosen threads. The functions that allocate are defined in the
// test executable, so that every library in the process calls them, and pass the request on to
// glibc.

#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stdint.h>

/// One count, for any number of threads.
typedef struct allocation_count allocation_count;

/// A count of zero; free it with `allocation_count_free` after all threads have left it.
allocation_count *allocation_count_new(void);
void allocation_count_free(allocation_count *count);

/// From now on allocations of the calling thread go into `count`; into none when it is NULL.
void allocation_count_join(allocation_count *count);

/// Calls of malloc, calloc, realloc and the aligned ones by the threads that joined.
uint64_t allocation_count_value(const allocation_count *count);

#endif
