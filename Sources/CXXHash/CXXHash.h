// xxHash as the system has it.
#include <xxhash.h>
