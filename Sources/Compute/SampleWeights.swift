// Random weights for trials of the kernels: any codes, factors of ordinary size.

import Platform

/// Copies of one random matrix, packed one behind the other.
struct SampleWeights: Sendable {
  let matrices: [PackedMatrix]
  private let memory: LargeMemory

  /// Rows and columns that share a factor in float8 matrices, as in released checkpoints.
  private static let scaleBlock = 128

  init(
    _ format: ElementFormat, rows: Int, columns: Int, copies: Int, on pool: WorkerPool
  ) throws(PlatformError) {
    let source = SampleMatrix(format, rows: rows, columns: columns)
    let stored = source.stored
    let size = PackedMatrix(stored, at: 0, of: nil).byteCount
    let memory = try LargeMemory(byteCount: copies * size)
    self.memory = memory
    matrices = (0..<copies).map { PackedMatrix(stored, at: $0 * size, of: memory) }
    withExtendedLifetime(source) {
      pool.run(tasks: copies, Packing(matrices: matrices, source: stored))
    }
  }

  private struct Packing: ParallelWork {
    let matrices: [PackedMatrix]
    let source: StoredMatrix

    func perform(task: Int) {
      for panel in 0..<matrices[task].panelCount {
        matrices[task].pack(panel: panel, from: source)
      }
    }
  }

  /// A matrix as a file would store it, in memory of its own.
  @safe
  private final class SampleMatrix {
    private let bytes: UnsafeMutableRawBufferPointer
    private let scales: UnsafeMutableRawBufferPointer
    let stored: StoredMatrix

    init(_ format: ElementFormat, rows: Int, columns: Int) {
      let size = rows * format.byteCount(of: columns)
      unsafe bytes = .allocate(byteCount: size, alignment: 64)
      var generator = SplitMix(seed: 2)
      for start in stride(from: 0, to: size, by: format.blockBytes) {
        for index in start..<start + format.blockBytes {
          unsafe bytes[index] = UInt8(truncatingIfNeeded: generator.next() >> 32)
        }
        unsafe SampleMatrix.tame(
          UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + format.blockBytes]), format)
      }
      let across = (columns + scaleBlock - 1) / scaleBlock
      let down = (rows + scaleBlock - 1) / scaleBlock
      let scaleCount = across * down
      unsafe scales = .allocate(byteCount: scaleCount * 4, alignment: 64)
      for index in 0..<scaleCount {
        unsafe scales.storeBytes(
          of: 1.5 + generator.unit(), toByteOffset: 4 * index, as: Float.self)
      }
      let factors = unsafe BlockScales(
        values: TensorView(
          format: .float32, shape: [down, across], bytes: UnsafeRawBufferPointer(scales)),
        blockRows: scaleBlock, blockColumns: scaleBlock)
      stored = unsafe StoredMatrix(
        TensorView(format: format, shape: [rows, columns], bytes: UnsafeRawBufferPointer(bytes)),
        scales: format == .float8E4M3 ? factors : nil)
    }

    deinit {
      unsafe bytes.deallocate()
      unsafe scales.deallocate()
    }

    /// Makes the floating-point numbers of a random block between 2^-8 and 2 in size, so that none
    /// of them, and no product, is infinite, tiny or no number.
    private static func tame(_ block: UnsafeMutableRawBufferPointer, _ format: ElementFormat) {
      func half(at offset: Int) {
        unsafe block[offset + 1] = block[offset + 1] & 0x9F | 0x20
      }
      switch format {
      case .float32: unsafe block[3] = block[3] & 0x81 | 0x3C
      case .bfloat16: unsafe block[1] = block[1] & 0x81 | 0x3C
      case .float8E4M3: unsafe block[0] &= 0xBF
      case .float16, .q8_0, .q4_0, .q5_0: half(at: 0)
      case .q4_K, .q5_K:
        half(at: 0)
        half(at: 2)
      case .q6_K: half(at: 208)
      }
    }
  }
}

extension SplitMix {
  /// From -1 to 1.
  mutating func unit() -> Float { Float(next() >> 40) * 0x1p-23 - 1 }
}

extension Rows {
  /// The same numbers between -1 and 1 every time.
  func fillRandomly() {
    var generator = SplitMix(seed: 1)
    for row in 0..<count {
      withMutableRow(row) { span in
        for index in span.indices { span[index] = generator.unit() }
      }
    }
  }
}
