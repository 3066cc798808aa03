// Inputs of products as int8, over the lanes of one tier. Each step is that of the definition.

CK_INLINE float highest_magnitude(const float *x, int64_t count) {
  lanes highest = lanes_broadcast(0.0f);
  for (int64_t k = 0; k < count; k += 16)
    highest = lanes_maximum(lanes_magnitude(lanes_load(x + k, lanes_mask(16))), highest);
  return lanes_highest(highest);
}

CK_INLINE void encode_row(const float *x, int64_t width, int64_t length, int zero, int8_t *values,
                          float *scales, int32_t *starts, int16_t *sums) {
  for (int64_t b = 0; b < width / length; b++) {
    float highest = highest_magnitude(x + b * length, length);
    lanes inverse = lanes_broadcast(highest > 0 ? 127.0f / highest : 0.0f);
    scales[b] = highest / 127.0f;
    for (int64_t part = b * length; part < (b + 1) * length; part += 32) {
      int32_t first = lanes_store_bytes(
          lanes_multiply(lanes_load(x + part, lanes_mask(16)), inverse), values + part);
      int32_t second = lanes_store_bytes(
          lanes_multiply(lanes_load(x + part + 16, lanes_mask(16)), inverse), values + part + 16);
      if (length == 256) {
        starts[part / 16] = -32 * first;
        starts[part / 16 + 1] = -32 * second;
        sums[ck_sum_place(part / 32)] = (int16_t)(first + second);
      } else {
        starts[b] = -zero * (first + second);
      }
    }
  }
}

void CK_NAME(ck_encode)(ck_rows x, int64_t width, ck_input_encoding encoding,
                        ck_panel_format format, ck_inputs y) {
  if (encoding < CK_INPUT_INT8_32) return ck_encode_scalar(x, width, encoding, format, y);
  for (int64_t r = 0; r < x.count; r++)
    encode_row(x.elements + r * x.stride, width, encoding == CK_INPUT_INT8_32 ? 32 : 256,
               ck_zero_code(format), (int8_t *)y.values + r * y.value_stride,
               y.scales + r * y.scale_stride, y.starts + r * y.start_stride,
               y.sums + r * y.sum_stride);
}
