// The checked entry to encoding rows for files.

import CKernels

/// Why a row cannot be encoded.
public enum EncodingFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// An element is infinite or not a number.
  case notFinite
  /// An element is larger than the format can say.
  case outOfRange

  public var description: String {
    switch self {
    case .notFinite: "has an element that is infinite or not a number"
    case .outOfRange: "has an element that is too large for the format"
    }
  }
}

/// Rows of float32 as elements of a file.
public enum Quantiser {
  /// The formats that rows can be encoded as.
  public static let formats: [ElementFormat] =
    ElementFormat.allCases.filter { $0 != .float8E4M3 && $0 != .q4_0 }

  /// One row as `format` (one of `formats`); rows of blocks get the factors of least weighted
  /// squared error. What is in `bytes` after a failure means nothing.
  /// - Parameter bytes: exactly the encoded row.
  public static func encode(
    _ x: Rows, row: Int, as format: ElementFormat, into bytes: UnsafeMutableRawBufferPointer
  ) throws(EncodingFailure) {
    precondition(formats.contains(format), "no encoder")
    precondition(bytes.count == format.byteCount(of: x.width), "encoded size")
    let result = unsafe ck_encode_row(
      format.panelFormat, x.pointer(row: row), Int64(x.width),
      bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
    switch result {
    case CK_NOT_FINITE: throw .notFinite
    case CK_OUT_OF_RANGE: throw .outOfRange
    default: return
    }
  }
}
