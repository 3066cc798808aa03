// The closed list of ways in which stored elements can be encoded.

import CKernels

/// How the elements of a stored tensor are encoded; raw values are the names that safetensors and
/// GGUF files give them. The quantised formats encode blocks of neighbours of a row.
public enum ElementFormat: String, Sendable, CaseIterable {
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  /// e4m3fn: bias 7, 3 mantissa bits, 0x7F and 0xFF are NaN, no infinities.
  case float8E4M3 = "F8_E4M3"
  /// 32 int8 and a float16 factor.
  case q8_0 = "Q8_0"
  /// 32 times 4 bits less 8, and a float16 factor.
  case q4_0 = "Q4_0"
  /// 32 times 5 bits less 16, and a float16 factor.
  case q5_0 = "Q5_0"
  /// 256 times 4 bits; 6 bits of factor and 6 of offset for each 32, and a float16 unit of both.
  case q4_K = "Q4_K"
  /// 256 times 5 bits, with factors as in `q4_K`.
  case q5_K = "Q5_K"
  /// 256 times 6 bits less 32, an int8 factor for each 16, and a float16 unit of it.
  case q6_K = "Q6_K"

  /// Elements of a row that are encoded together; the length of a row is a multiple of it.
  public var blockLength: Int { Int(ck_stored_size_of(panelFormat).columns) }

  /// Bytes of one block.
  public var blockBytes: Int { Int(ck_stored_size_of(panelFormat).bytes) }

  /// Whether blocks of small integers stand for elements.
  public var isQuantised: Bool { blockLength > 1 }

  /// Bytes of so many neighbouring elements, which are whole blocks.
  public func byteCount(of elements: Int) -> Int {
    precondition(elements.isMultiple(of: blockLength), "elements cut a block")
    return elements / blockLength * blockBytes
  }

  /// As the kernels call it.
  var panelFormat: ck_panel_format {
    switch self {
    case .float32: CK_PANEL_F32
    case .float16: CK_PANEL_F16
    case .bfloat16: CK_PANEL_BF16
    case .float8E4M3: CK_PANEL_F8_E4M3
    case .q8_0: CK_PANEL_Q8_0
    case .q4_0: CK_PANEL_Q4_0
    case .q5_0: CK_PANEL_Q5_0
    case .q4_K: CK_PANEL_Q4_K
    case .q5_K: CK_PANEL_Q5_K
    case .q6_K: CK_PANEL_Q6_K
    }
  }
}
