// zlib, and functions for what it defines as macros, which Swift cannot import.
#include <zlib.h>

// Reads the gzip format (RFC 1952) alone: 16 more than the window's size says so.
static inline int shim_inflate_init_gzip(z_stream *stream) {
  return inflateInit2(stream, MAX_WBITS + 16);
}

// Writes the gzip format with zlib's usual amount of memory.
static inline int shim_deflate_init_gzip(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
}
