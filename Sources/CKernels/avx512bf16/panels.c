// Products of bfloat16 inputs with panels of bfloat16 and float8, for processors with AVX-512 F,
// BW, DQ, VL and BF16. The instruction takes the second of a pair first and tiny numbers as zero:
// the definition is what it does.

#if defined(__x86_64__)

#include <immintrin.h>

#include "../shared/panel.h"
#include "../shared/panel_tiers.h"

#pragma clang attribute push( \
  __attribute__((             \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512bf16,avx2,fma,f16c"))), \
  apply_to = function)

#define CK_INLINE static inline __attribute__((always_inline))

/// Sums in flight: rows of a tile, or panels of a tile with few rows, whose sums would otherwise
/// wait for each other.
enum { TILE_ROWS = 12, TILE_PANELS = 4 };

CK_INLINE __m512bh pair_of(const uint8_t *bytes) {
  int32_t pair;
  memcpy(&pair, bytes, sizeof pair);
  return (__m512bh)_mm512_set1_epi32(pair);
}

/// Where a tile writes: `panels` panels from `first` on.
CK_INLINE void store_sums(const ck_panels *w, int64_t first, __m512 *sums, ck_rows y, int panels,
                          int rows) {
  for (int p = 0; p < panels; p++) {
    int64_t left = w->rows - (first + p) * CK_PANEL_ROWS;
    __mmask16 mask = left >= 16 ? 0xFFFF : (__mmask16)((1u << left) - 1);
    for (int r = 0; r < rows; r++)
      _mm512_mask_storeu_ps(y.elements + r * y.stride + p * CK_PANEL_ROWS, mask,
                            sums[p * rows + r]);
  }
}

CK_INLINE void bfloat16_tile(const ck_panels *w, int64_t first, const uint8_t *x, int64_t stride,
                             ck_rows y, int panels, int rows) {
  __m512 sums[TILE_ROWS];
  for (int s = 0; s < panels * rows; s++) sums[s] = _mm512_setzero_ps();
  const uint8_t *bytes = w->bytes + first * w->panel_bytes;
  for (int64_t k = 0; k < w->columns; k += 2) {
    for (int p = 0; p < panels; p++) {
      const uint8_t *vector = bytes + p * w->panel_bytes + k / 2 * CK_VECTOR;
      __m512bh weights = (__m512bh)_mm512_load_si512(vector);
      // Several panels are several streams, which the processor follows better by itself.
      if (panels == 1) __builtin_prefetch(vector + 2048);
      for (int r = 0; r < rows; r++)
        sums[p * rows + r] =
            _mm512_dpbf16_ps(sums[p * rows + r], weights, pair_of(x + r * stride + k * 2));
    }
  }
  store_sums(w, first, sums, y, panels, rows);
}

/// Two columns of e4m3 codes, one in each half of a lane, as bfloat16: exponent and mantissa move
/// to their places and the bias is added; the eight numbers too small for that come from a table.
CK_INLINE __m512i bfloat16_of_float8(__m512i codes) {
  const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi16(
      0, 0x3B00, 0x3B80, 0x3BC0, 0x3C00, 0x3C20, 0x3C40, 0x3C60));
  __m512i sign = _mm512_slli_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(0x80)), 8);
  __m512i magnitude = _mm512_and_si512(codes, _mm512_set1_epi16(0x7F));
  __m512i value = _mm512_add_epi16(_mm512_slli_epi16(magnitude, 4), _mm512_set1_epi16(120 << 7));
  __mmask32 tiny = _mm512_cmplt_epi16_mask(magnitude, _mm512_set1_epi16(8));
  value = _mm512_mask_permutexvar_epi16(value, tiny, magnitude, table);
  __mmask32 nan = _mm512_cmpeq_epi16_mask(magnitude, _mm512_set1_epi16(0x7F));
  value = _mm512_mask_mov_epi16(value, nan, _mm512_set1_epi16(0x7FC0));
  return _mm512_or_si512(value, sign);
}

CK_INLINE void add_pair(__m512 *sums, __m512i weights, const uint8_t *x, int64_t stride, int rows) {
  for (int r = 0; r < rows; r++)
    sums[r] = _mm512_dpbf16_ps(sums[r], (__m512bh)weights, pair_of(x + r * stride));
}

CK_INLINE void float8_tile(const ck_panels *w, int64_t panel, const uint8_t *x, int64_t stride,
                           ck_rows y, int panels, int rows) {
  __m512 totals[TILE_ROWS];
  for (int r = 0; r < rows; r++) totals[r] = _mm512_setzero_ps();
  const uint8_t *block = w->bytes + panel * w->panel_bytes;
  const __m512i low_bytes = _mm512_set1_epi32(0x00FF00FF);
  for (int64_t start = 0; start < w->columns; start += w->scale_columns) {
    int64_t left = w->columns - start;
    int64_t count = left < w->scale_columns ? left : w->scale_columns;
    __m512 sums[TILE_ROWS];
    for (int r = 0; r < rows; r++) sums[r] = _mm512_setzero_ps();
    for (int64_t k = 0; k < count; k += 4) {
      __m512i codes = _mm512_load_si512(block + (1 + k / 4) * CK_VECTOR);
      __builtin_prefetch(block + (1 + k / 4) * CK_VECTOR + 2048);
      // Bytes 0 and 1 of a lane, then 2 and 3, into its two halves.
      __m512i even = _mm512_and_si512(codes, low_bytes);
      __m512i odd = _mm512_and_si512(_mm512_srli_epi32(codes, 8), low_bytes);
      __m512i first = _mm512_mask_mov_epi16(even, 0xAAAAAAAA, _mm512_slli_epi32(odd, 16));
      __m512i second =
          _mm512_mask_mov_epi16(odd, 0x55555555, _mm512_srli_epi32(even, 16));
      const uint8_t *inputs = x + (start + k) * 2;
      add_pair(sums, bfloat16_of_float8(first), inputs, stride, rows);
      if (k + 2 < count) add_pair(sums, bfloat16_of_float8(second), inputs + 4, stride, rows);
    }
    __m512 factors = _mm512_load_ps((const float *)(const void *)block);
    for (int r = 0; r < rows; r++) totals[r] = _mm512_fmadd_ps(sums[r], factors, totals[r]);
    block += CK_VECTOR * (1 + w->scale_columns / 4);
  }
  store_sums(w, panel, totals, y, panels, rows);
}

#define CK_TILE_CASES(tile, ...)                \
  case 1: tile(__VA_ARGS__, 1, 1); break;       \
  case 2: tile(__VA_ARGS__, 1, 2); break;       \
  case 3: tile(__VA_ARGS__, 1, 3); break;       \
  case 4: tile(__VA_ARGS__, 1, 4); break;       \
  case 5: tile(__VA_ARGS__, 1, 5); break;       \
  case 6: tile(__VA_ARGS__, 1, 6); break;       \
  case 7: tile(__VA_ARGS__, 1, 7); break;       \
  case 8: tile(__VA_ARGS__, 1, 8); break;       \
  case 9: tile(__VA_ARGS__, 1, 9); break;       \
  case 10: tile(__VA_ARGS__, 1, 10); break;     \
  case 11: tile(__VA_ARGS__, 1, 11); break;     \
  case 12: tile(__VA_ARGS__, 1, 12); break;

/// Panels that a tile takes: with few rows several, as long as there are so many.
CK_INLINE int64_t tile_panels(const ck_panels *w, int64_t left, int64_t rows) {
  if (w->format != CK_PANEL_BF16 || rows > 3 || left < TILE_PANELS) return 1;
  return TILE_PANELS;
}

static void product_tile(const ck_panels *w, int64_t panel, const uint8_t *x, int64_t stride,
                         const ck_rows *y, int64_t panels, int64_t rows) {
  if (panels > 1) {
    switch (rows) {
      case 1: bfloat16_tile(w, panel, x, stride, *y, TILE_PANELS, 1); break;
      case 2: bfloat16_tile(w, panel, x, stride, *y, TILE_PANELS, 2); break;
      case 3: bfloat16_tile(w, panel, x, stride, *y, TILE_PANELS, 3); break;
    }
  } else if (w->format == CK_PANEL_BF16) {
    switch (rows) { CK_TILE_CASES(bfloat16_tile, w, panel, x, stride, *y) }
  } else {
    switch (rows) { CK_TILE_CASES(float8_tile, w, panel, x, stride, *y) }
  }
}

void ck_product_bfloat16_avx512_bf16(const ck_panels *w, int64_t first, int64_t panels,
                                     const ck_inputs *x, ck_rows y) {
  int64_t group = (1 << 18) / w->panel_bytes / TILE_PANELS * TILE_PANELS;
  if (group == 0) group = TILE_PANELS;
  for (int64_t start = 0; start < panels; start += group)
    for (int64_t row = 0, rows; row < x->count; row += rows) {
      int64_t tiles = (x->count - row + TILE_ROWS - 1) / TILE_ROWS;
      rows = (x->count - row + tiles - 1) / tiles;
      int64_t end = start + group < panels ? start + group : panels;
      for (int64_t p = start, taken; p < end; p += taken) {
        taken = tile_panels(w, end - p, rows);
        ck_rows target = {y.elements + row * y.stride + p * CK_PANEL_ROWS, rows, y.stride};
        product_tile(w, first + p, x->values + row * x->value_stride, x->value_stride, &target,
                     taken, rows);
      }
    }
}

static void encode_bfloat16(const float *x, int64_t width, uint16_t *y) {
  for (int64_t k = 0; k < width; k += 16) {
    __mmask16 mask = width - k >= 16 ? 0xFFFF : (__mmask16)((1u << (width - k)) - 1);
    __m256bh halves = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + k));
    _mm256_mask_storeu_epi16(y + k, mask, (__m256i)halves);
  }
  if (width % 2 != 0) y[width] = 0;
}

void ck_encode_avx512_bf16(ck_rows x, int64_t width, ck_input_encoding encoding,
                           ck_panel_format format, ck_inputs y) {
  if (encoding != CK_INPUT_BF16) return ck_encode_avx512(x, width, encoding, format, y);
  for (int64_t r = 0; r < x.count; r++)
    encode_bfloat16(x.elements + r * x.stride, width,
                    (uint16_t *)(void *)(y.values + r * y.value_stride));
}
#pragma clang attribute pop

#endif
