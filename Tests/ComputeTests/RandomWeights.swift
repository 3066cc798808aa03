// Random matrices as files store them, and what their elements are by the formats' definitions
// (ggml's quantised blocks, as the GGUF specification refers to them), written down independently
// of the kernels.

import Compute
import Synchronization
import TestSupport

/// A random stored matrix that ends at unreadable memory, and its elements as Double.
struct RandomWeights {
  let stored: StoredMatrix
  private(set) var values: [[Double]] = []
  private let memory: GuardedMemory
  private let scaleMemory: GuardedMemory

  static let scaleRows = 5
  static let scaleColumns = 32

  init(_ format: ElementFormat, rows: Int, columns: Int, using g: inout SeededGenerator) {
    let size = format.byteCount(of: columns)
    memory = GuardedMemory(byteCount: rows * size)
    let (down, across) = (
      (rows + Self.scaleRows - 1) / Self.scaleRows,
      (columns + Self.scaleColumns - 1) / Self.scaleColumns
    )
    scaleMemory = GuardedMemory(byteCount: down * across * 4)
    let scales = unsafe scaleMemory.bytes.assumingMemoryBound(to: Float.self)
    for index in scales.indices {
      unsafe scales[index] = Float.random(in: 0.5...2, using: &g)
    }
    for row in 0..<rows {
      var elements: [Double] = []
      for block in 0..<columns / format.blockLength {
        let (bytes, some) = RandomBlock.make(format, using: &g)
        for (index, byte) in bytes.enumerated() {
          unsafe memory.bytes[row * size + block * format.blockBytes + index] = byte
        }
        elements += some
      }
      if format == .float8E4M3 {
        for column in elements.indices {
          elements[column] *= Double(
            unsafe scales[row / Self.scaleRows * across + column / Self.scaleColumns])
        }
      }
      values.append(elements)
    }
    let blocks = unsafe BlockScales(
      values: TensorView(
        format: .float32, shape: [down, across],
        bytes: UnsafeRawBufferPointer(scaleMemory.bytes)),
      blockRows: Self.scaleRows, blockColumns: Self.scaleColumns)
    stored = unsafe StoredMatrix(
      TensorView(
        format: format, shape: [rows, columns], bytes: UnsafeRawBufferPointer(memory.bytes)),
      scales: format == .float8E4M3 ? blocks : nil)
  }

  /// The matrix in panels of its own memory.
  func packed() throws -> PackedMatrix {
    try Self.pack(PackedMatrix(stored, at: 0, of: nil).byteCount) { memory in
      let matrix = PackedMatrix(stored, at: 0, of: memory)
      for panel in 0..<matrix.panelCount { matrix.pack(panel: panel, from: stored) }
      return matrix
    }
  }

  /// The same of its columns.
  func packedTransposed() throws -> PackedMatrix {
    try Self.pack(PackedMatrix(transposed: stored, isRounded: false, at: 0, of: nil).byteCount) {
      memory in
      let matrix = PackedMatrix(transposed: stored, isRounded: false, at: 0, of: memory)
      for panel in 0..<matrix.panelCount { matrix.pack(panel: panel, fromTransposed: stored) }
      return matrix
    }
  }

  private static func pack(
    _ size: Int, _ fill: (LargeMemory) -> PackedMatrix
  ) throws -> PackedMatrix {
    let memory = try LargeMemory(byteCount: size)
    kept.withLock { $0.append(memory) }
    return fill(memory)
  }

  /// Matrices are views: their memory lives as long as the tests.
  private static let kept = Mutex<[LargeMemory]>([])
}

/// One random block of a format.
enum RandomBlock {
  /// Its bytes and its elements.
  static func make(
    _ format: ElementFormat, using g: inout SeededGenerator
  ) -> ([UInt8], [Double]) {
    switch format {
    case .float32:
      let value = Float.random(in: -1...1, using: &g)
      return (littleEndian(value.bitPattern), [Double(value)])
    case .float16:
      // Sign, exponents from the subnormals up to 1, any mantissa.
      let bits = UInt16.random(in: 0..<0x3C00, using: &g) | (Bool.random(using: &g) ? 0x8000 : 0)
      return (littleEndian(bits), [Double(Float16(bitPattern: bits))])
    case .bfloat16:
      let bits = Float.random(in: -1...1, using: &g).bitPattern & 0xFFFF_0000
      return (littleEndian(UInt16(bits >> 16)), [Double(Float(bitPattern: bits))])
    case .float8E4M3:
      var bits = UInt8.random(in: 0...0x7E, using: &g)
      if Bool.random(using: &g) { bits |= 0x80 }
      return ([bits], [float8(bits)])
    case .q8_0, .q4_0, .q5_0: return short(format, using: &g)
    case .q4_K, .q5_K: return offsetBlock(format, using: &g)
    case .q6_K: return sixBits(using: &g)
    }
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// A positive or negative float16 of ordinary size.
  private static func unit(using g: inout SeededGenerator) -> (bytes: [UInt8], value: Double) {
    let value = Float16(Float.random(in: -0.05...0.05, using: &g))
    return (littleEndian(value.bitPattern), Double(value))
  }

  private static func bytes(_ count: Int, using g: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &g) }
  }

  /// e4m3fn from its definition: (-1)^s 2^(e-7) (1 + m/8), subnormals 2^-6 m/8.
  static func float8(_ bits: UInt8) -> Double {
    let exponent = Int(bits >> 3 & 15)
    let mantissa = Double(bits & 7) / 8
    let sign: Double = bits & 0x80 == 0 ? 1 : -1
    if exponent == 15 && bits & 7 == 7 { return .nan }
    return exponent == 0
      ? sign * mantissa * 0x1p-6
      : sign * (1 + mantissa) * Double(sign: .plus, exponent: exponent - 7, significand: 1)
  }

  /// Blocks of 32: x = d q, or d (q - 8), or d (q - 16) with the fifth bits in four bytes of their
  /// own. Nibbles hold elements i (low) and i + 16 (high).
  private static func short(
    _ format: ElementFormat, using g: inout SeededGenerator
  ) -> ([UInt8], [Double]) {
    let d = unit(using: &g)
    let codes = bytes(format.blockBytes - 2, using: &g)
    let elements = (0..<32).map { index -> Double in
      switch format {
      case .q8_0: return d.value * Double(Int8(bitPattern: codes[index]))
      case .q4_0:
        let byte = codes[index % 16]
        return d.value * Double(Int(index < 16 ? byte & 15 : byte >> 4) - 8)
      default:
        let byte = codes[4 + index % 16]
        let high = Int(codes[index / 8] >> (index % 8) & 1)
        return d.value * Double(Int(index < 16 ? byte & 15 : byte >> 4) + 16 * high - 16)
      }
    }
    return (d.bytes + codes, elements)
  }

  /// Q4_K and Q5_K: x = d sc q - dmin m, sc and m of 6 bits for each 32.
  private static func offsetBlock(
    _ format: ElementFormat, using g: inout SeededGenerator
  ) -> ([UInt8], [Double]) {
    let (d, dmin) = (unit(using: &g), unit(using: &g))
    let packed = bytes(12, using: &g)
    let high = format == .q5_K ? bytes(32, using: &g) : []
    let low = bytes(128, using: &g)
    let elements = (0..<256).map { index -> Double in
      let part = index / 32
      let (sc, m) =
        part < 4
        ? (Int(packed[part] & 63), Int(packed[part + 4] & 63))
        : (
          Int(packed[part + 4] & 15) | Int(packed[part - 4] >> 6) << 4,
          Int(packed[part + 4] >> 4) | Int(packed[part] >> 6) << 4
        )
      let byte = low[part / 2 * 32 + index % 32]
      var code = Int(part % 2 == 0 ? byte & 15 : byte >> 4)
      if format == .q5_K { code += Int(high[index % 32] >> part & 1) << 4 }
      return d.value * Double(sc) * Double(code) - dmin.value * Double(m)
    }
    return (d.bytes + dmin.bytes + packed + high + low, elements)
  }

  /// Q6_K: x = d sc (q - 32), sc an int8 for each 16.
  private static func sixBits(using g: inout SeededGenerator) -> ([UInt8], [Double]) {
    let (low, high) = (bytes(128, using: &g), bytes(64, using: &g))
    let scales = bytes(16, using: &g)
    let d = unit(using: &g)
    let elements = (0..<256).map { index -> Double in
      let (half, row, column) = (index / 128, index % 128 / 32, index % 32)
      let byte = low[64 * half + row % 2 * 32 + column]
      let bits = high[32 * half + column] >> (2 * row) & 3
      let code = Int(row < 2 ? byte & 15 : byte >> 4) | Int(bits) << 4
      return d.value * Double(Int8(bitPattern: scales[index / 16])) * Double(code - 32)
    }
    return (low + high + scales + d.bytes, elements)
  }
}
