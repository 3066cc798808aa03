// Writes a GGUF file, version 3 (github.com/ggml-org/ggml, docs/gguf.md): the header, whose size is
// known from the start, then one tensor after another, encoded in chunks by all threads. Never more
// than a chunk is held in memory.

import Compute
import Platform

/// A file to be written: what it says and what its tensors hold.
public struct GGUFWriter {
  private let header: [UInt8]
  private let tensors: [ExportTensor]
  /// Size of the whole file in bytes.
  public let byteCount: Int

  /// Each tensor starts at a multiple of this.
  static let alignment = 32
  /// Encoded bytes that are made before they are written.
  private static let chunkBytes = 8 << 20

  /// Lays out the file. `general.alignment` is added to the metadata.
  public init(_ metadata: ExportMetadata, tensors: [ExportTensor]) {
    var entries = metadata
    entries.add("general.alignment", count: Self.alignment)
    var bytes = GGUFBytes()
    bytes.append(raw: "GGUF")
    bytes.append(UInt32(3))
    bytes.append(UInt64(tensors.count))
    bytes.append(UInt64(entries.entries.count))
    for (key, value) in entries.entries {
      bytes.append(key)
      bytes.append(value)
    }
    var offset = 0
    for tensor in tensors {
      bytes.append(tensor.name)
      bytes.append(UInt32(tensor.shape.count))
      for dimension in tensor.shape.reversed() { bytes.append(UInt64(dimension)) }
      bytes.append(Self.typeNumber(tensor.format))
      bytes.append(UInt64(offset))
      offset += Self.padded(tensor.byteCount)
    }
    bytes.pad(to: Self.alignment)
    header = bytes.bytes
    byteCount = header.count + offset
    self.tensors = tensors
  }

  /// Writes everything to a file that appears when it is complete.
  /// - Parameter progress: told after each chunk how many bytes there are.
  /// - Throws: `WeightsError.platform` when the disk does not take it, and
  ///   `WeightsError.unencodable` for a tensor whose elements the format cannot hold; nothing is
  ///   left behind then.
  public func write(
    to path: String, pool: WorkerPool, progress: (Int) -> Void
  ) throws(WeightsError) {
    let file = try onDisk { () throws(PlatformError) in
      try NewFile(path: path, size: byteCount)
    }
    try onDisk { () throws(PlatformError) in try unsafe file.append(header.span.bytes) }
    var written = header.count
    let buffer = EncodingBuffer(
      count: tensors.map { Self.unitsPerChunk($0) * $0.bytesPerUnit }.max() ?? 0)
    for tensor in tensors {
      try append(tensor, to: file, buffer, pool) { progress(written + $0) }
      written += Self.padded(tensor.byteCount)
    }
    try onDisk { () throws(PlatformError) in try file.commit() }
  }

  private func append(
    _ tensor: ExportTensor, to file: NewFile, _ buffer: EncodingBuffer, _ pool: WorkerPool,
    progress: (Int) -> Void
  ) throws(WeightsError) {
    let arena = ScratchArena()
    let scratch = (0..<pool.threadCount).map { _ in tensor.source.makeScratch(arena) }
    let failure = FirstFailure()
    var unit = 0
    while unit < tensor.source.unitCount {
      let units = unit..<min(unit + Self.unitsPerChunk(tensor), tensor.source.unitCount)
      pool.run(
        tasks: scratch.count,
        EncodingWork(tensor, units: units, output: buffer, scratch: scratch, failure: failure))
      if let (row, reason) = failure.value {
        throw .unencodable(
          tensor: tensor.name, row: row, format: tensor.format, reason: reason)
      }
      try onDisk { () throws(PlatformError) in
        try buffer.withPrefix(units.count * tensor.bytesPerUnit) {
          (bytes) throws(PlatformError) in try file.append(bytes)
        }
      }
      unit = units.upperBound
      progress(unit * tensor.bytesPerUnit)
    }
    let padding = [UInt8](repeating: 0, count: Self.padded(tensor.byteCount) - tensor.byteCount)
    try onDisk { () throws(PlatformError) in try unsafe file.append(padding.span.bytes) }
  }

  private func onDisk<Result>(
    _ body: () throws(PlatformError) -> Result
  ) throws(WeightsError) -> Result {
    do { return try body() } catch { throw .platform(error) }
  }

  private static func unitsPerChunk(_ tensor: ExportTensor) -> Int {
    min(max(1, chunkBytes / tensor.bytesPerUnit), tensor.source.unitCount)
  }

  private static func padded(_ count: Int) -> Int {
    (count + alignment - 1) / alignment * alignment
  }

  /// `enum ggml_type`.
  private static func typeNumber(_ format: ElementFormat) -> UInt32 {
    switch format {
    case .float32: 0
    case .float16: 1
    case .bfloat16: 30
    case .q4_0: 2
    case .q5_0: 6
    case .q8_0: 8
    case .q4_K: 12
    case .q5_K: 13
    case .q6_K: 14
    case .float8E4M3: preconditionFailure("the format has no number in GGUF files")
    }
  }
}
