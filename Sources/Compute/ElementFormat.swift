// The closed list of ways in which a stored element can be encoded.

import CKernels

/// How the elements of a stored tensor are encoded; raw values are safetensors' names.
public enum ElementFormat: String, Sendable, CaseIterable {
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  /// e4m3fn: bias 7, 3 mantissa bits, 0x7F and 0xFF are NaN, no infinities.
  case float8E4M3 = "F8_E4M3"

  /// Bytes of one element.
  public var byteCount: Int {
    switch self {
    case .float32: 4
    case .float16, .bfloat16: 2
    case .float8E4M3: 1
    }
  }

  var kernelFormat: ck_format {
    switch self {
    case .float32: CK_FLOAT32
    case .float16: CK_FLOAT16
    case .bfloat16: CK_BFLOAT16
    case .float8E4M3: CK_FLOAT8_E4M3
    }
  }
}
