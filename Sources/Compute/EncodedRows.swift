// Inputs of products: rows of float32 as they are, or rounded or quantised once for all the
// products that read them.

import CKernels

/// How the inputs of products are encoded.
public enum InputEncoding: Sendable, Equatable {
  /// As they are.
  case float32
  /// Rounded to bfloat16, to nearest even.
  case bfloat16
  /// int8 with a factor for each 32, beside codes whose zero is `zero`.
  case int8By32(zero: Int)
  /// int8 with a factor for each 256.
  case int8By256

  /// What products with weights of a format take.
  init(for format: ElementFormat, roundsInputs: Bool) {
    switch format {
    case .float32, .float16: self = .float32
    case .bfloat16, .float8E4M3: self = roundsInputs ? .bfloat16 : .float32
    case .q8_0: self = .int8By32(zero: 128)
    case .q4_0: self = .int8By32(zero: 8)
    case .q5_0: self = .int8By32(zero: 16)
    case .q4_K, .q5_K, .q6_K: self = .int8By256
    }
  }

  var kernelEncoding: ck_input_encoding {
    switch self {
    case .float32: CK_INPUT_F32
    case .bfloat16: CK_INPUT_BF16
    case .int8By32: CK_INPUT_INT8_32
    case .int8By256: CK_INPUT_INT8_256
    }
  }
}

/// Encoded rows in memory of an `EncodingBuffer`, or float32 rows where they are. Copies of a view
/// share the elements.
@safe
public struct EncodedRows: @unchecked Sendable {
  // Unchecked: the tasks of one parallel operation write disjoint rows, and operations follow each
  // other on the engine thread.
  let raw: ck_inputs
  /// How the elements are encoded.
  public let encoding: InputEncoding
  /// Elements per row.
  public let width: Int
  /// How many rows there are.
  public var count: Int { unsafe Int(raw.count) }

  init(raw: ck_inputs, encoding: InputEncoding, width: Int) {
    unsafe self.raw = unsafe raw
    self.encoding = encoding
    self.width = width
  }

  /// float32 rows as they are.
  init(_ rows: Rows) {
    let bytes = unsafe UnsafeMutableRawPointer(rows.base).assumingMemoryBound(to: UInt8.self)
    unsafe self.init(
      raw: ck_inputs(
        values: bytes, scales: nil, starts: nil, sums: nil, count: Int64(rows.count),
        value_stride: Int64(rows.stride * MemoryLayout<Float>.stride), scale_stride: 0,
        start_stride: 0, sum_stride: 0),
      encoding: .float32, width: rows.width)
  }

  /// Some of the rows.
  public func rows(_ range: Range<Int>) -> EncodedRows {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows out of bounds")
    var part = unsafe advanced(by: range.lowerBound)
    unsafe part.count = Int64(range.count)
    return unsafe EncodedRows(raw: part, encoding: encoding, width: width)
  }

  /// Each `step`-th row from `first` on.
  public func every(_ step: Int, from first: Int) -> EncodedRows {
    precondition(step > 0 && first >= 0 && first < step && count.isMultiple(of: step), "step")
    var part = unsafe advanced(by: first)
    unsafe part.count /= Int64(step)
    unsafe part.value_stride *= Int64(step)
    unsafe part.scale_stride *= Int64(step)
    unsafe part.start_stride *= Int64(step)
    unsafe part.sum_stride *= Int64(step)
    return unsafe EncodedRows(raw: part, encoding: encoding, width: width)
  }

  private func advanced(by rows: Int) -> ck_inputs {
    var part = unsafe raw
    unsafe part.values += rows * Int(raw.value_stride)
    unsafe part.scales = raw.scales.map { unsafe $0 + rows * Int(raw.scale_stride) }
    unsafe part.starts = raw.starts.map { unsafe $0 + rows * Int(raw.start_stride) }
    unsafe part.sums = raw.sums.map { unsafe $0 + rows * Int(raw.sum_stride) }
    return unsafe part
  }

  /// Copies row `row` of rows of the same encoding and width to row `target`.
  public func copy(row: Int, of source: EncodedRows, to target: Int) {
    precondition(source.encoding == encoding && source.width == width, "encodings differ")
    precondition(row >= 0 && row < source.count && target >= 0 && target < count, "row")
    let from = unsafe source.advanced(by: row)
    let to = unsafe advanced(by: target)
    let size =
      unsafe encoding == .float32
      ? width * MemoryLayout<Float>.stride : Int(raw.value_stride)
    unsafe to.values.update(from: from.values, count: size)
    guard let scales = unsafe to.scales, let starts = unsafe to.starts, let sums = unsafe to.sums
    else { return }
    unsafe scales.update(from: from.scales, count: Int(raw.scale_stride))
    unsafe starts.update(from: from.starts, count: Int(raw.start_stride))
    unsafe sums.update(from: from.sums, count: Int(raw.sum_stride))
  }
}

/// Memory for encoded rows, taken once and used again by every operation.
public struct EncodingBuffer: Sendable {
  private let values: Rows
  private let scales: Rows
  private let starts: Rows
  private let sums: Rows
  private let capacity: Int

  /// Room for `count` rows of `width` elements, or fewer wider ones.
  public init(_ arena: ScratchArena, count: Int, width: Int) {
    // Rows of an odd width are padded, and blocks begun are whole.
    let blocks = (width + 255) / 256
    capacity = count * blocks * 256
    values = arena.rows(count, width: blocks * 256 / 2)
    scales = arena.rows(count, width: blocks * 8)
    starts = arena.rows(count, width: blocks * 16)
    sums = arena.rows(count, width: blocks * 4)
  }

  /// Rows of this shape and encoding, to be filled.
  func rows(_ count: Int, width: Int, _ encoding: InputEncoding) -> EncodedRows {
    let padded = (width + 255) / 256 * 256
    precondition(count * padded <= capacity, "more rows than the buffer has room for")
    precondition(encoding != .float32, "float32 rows stay where they are")
    let byteStride = encoding == .bfloat16 ? 2 * padded : padded
    let length = encoding == .int8By256 ? 256 : 32
    let raw = unsafe ck_inputs(
      values: UnsafeMutableRawPointer(values.base).assumingMemoryBound(to: UInt8.self),
      scales: scales.base,
      starts: UnsafeMutableRawPointer(starts.base).assumingMemoryBound(to: Int32.self),
      sums: UnsafeMutableRawPointer(sums.base).assumingMemoryBound(to: Int16.self),
      count: Int64(count), value_stride: Int64(byteStride), scale_stride: Int64(padded / length),
      start_stride: Int64(padded / (length == 256 ? 16 : length)), sum_stride: Int64(padded / 32))
    return unsafe EncodedRows(raw: raw, encoding: encoding, width: width)
  }
}
