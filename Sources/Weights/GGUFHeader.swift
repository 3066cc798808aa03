// The head of a GGUF file (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little
// endian: metadata, then the description of every tensor, then their bytes. A pure function of
// bytes, and hostile until it returns.

/// The checked table of contents of one GGUF file.
package struct GGUFHeader: Sendable {
  package struct Entry: Equatable, Sendable {
    package let name: String
    package let format: GGUFFormat
    /// Rows first; the file has them the other way round.
    package let shape: [Int]
    /// Where the tensor lies in the file. No two overlap.
    package let range: Range<Int>
  }

  package let metadata: GGUFMetadata
  /// The tensors in the order of the file's bytes.
  package let entries: [Entry]

  /// - Parameters:
  ///   - bytes: the whole file; only its head is read.
  ///   - file: its name in messages.
  package init(_ bytes: UnsafeRawBufferPointer, file: String) throws(WeightsError) {
    var parser = unsafe GGUFHeaderParser(GGUFReader(bytes), file: file)
    try parser.parse(fileSize: bytes.count)
    metadata = parser.metadata
    entries = parser.entries
  }
}

/// The state of one parse.
private struct GGUFHeaderParser {
  private var reader: GGUFReader
  private let file: String
  private(set) var metadata: GGUFMetadata
  private(set) var entries: [GGUFHeader.Entry] = []

  /// A tensor before it is known where the data begins.
  private struct Description {
    let name: String
    let format: GGUFFormat
    let shape: [Int]
    let byteCount: Int
    let offset: UInt64
  }

  init(_ reader: GGUFReader, file: String) {
    self.reader = reader
    self.file = file
    metadata = GGUFMetadata(file: file)
  }

  mutating func parse(fileSize: Int) throws(WeightsError) {
    let counts: (tensors: Int, keys: Int)
    do {
      counts = try preamble()
    } catch {
      throw .malformedFile(file: file, reason: error.reason)
    }
    for _ in 0..<counts.keys { try parseKey() }
    var descriptions: [Description] = []
    var names: Set<String> = []
    for _ in 0..<counts.tensors {
      let description = try parseTensor()
      guard names.insert(description.name).inserted else {
        throw .malformedTensor(file: file, tensor: description.name, reason: "is there twice")
      }
      descriptions.append(description)
    }
    try place(descriptions, alignment: try alignment(), fileSize: fileSize)
  }

  private mutating func preamble() throws(GGUFReadError) -> (tensors: Int, keys: Int) {
    // "GGUF" as the file has it.
    guard try reader.integer(UInt32.self) == 0x4655_4747 else {
      throw GGUFReadError(reason: "is no GGUF file: does not begin with GGUF")
    }
    let version = try reader.integer(UInt32.self)
    if version & 0xFFFF == 0, version != 0 {
      throw GGUFReadError(reason: "is big-endian, which is not supported")
    }
    guard version == 2 || version == 3 else {
      throw GGUFReadError(reason: "has version \(version) of the format instead of 2 or 3")
    }
    let tensors = try reader.count(limit: WeightsLimits.ggufTensors, of: "tensors")
    return (tensors, try reader.count(limit: WeightsLimits.ggufKeys, of: "metadata keys"))
  }

  private mutating func parseKey() throws(WeightsError) {
    var key = ""
    do throws(GGUFReadError) {
      key = try reader.string()
      guard key.utf8.count <= WeightsLimits.ggufKeyBytes else {
        throw GGUFReadError(reason: "a metadata key of \(key.utf8.count) bytes")
      }
      guard metadata.insert(key, try reader.value()) else {
        throw GGUFReadError(reason: "is there twice")
      }
    } catch {
      guard !key.isEmpty else { throw .malformedFile(file: file, reason: error.reason) }
      throw metadata.failure(String(key.prefix(100)), error.reason)
    }
  }

  private mutating func parseTensor() throws(WeightsError) -> Description {
    var name = ""
    do throws(GGUFReadError) {
      name = try reader.string()
      guard name.utf8.count <= WeightsLimits.ggufKeyBytes else {
        throw GGUFReadError(reason: "a tensor name of \(name.utf8.count) bytes")
      }
      return try description(of: name)
    } catch {
      guard !name.isEmpty else { throw .malformedFile(file: file, reason: error.reason) }
      throw .malformedTensor(file: file, tensor: String(name.prefix(100)), reason: error.reason)
    }
  }

  private mutating func description(of name: String) throws(GGUFReadError) -> Description {
    let rank = Int(try reader.integer(UInt32.self))
    guard rank <= WeightsLimits.ggufDimensions else {
      throw GGUFReadError(
        reason: "has \(rank) dimensions, above the limit of \(WeightsLimits.ggufDimensions)")
    }
    var shape: [Int] = []
    for _ in 0..<rank { shape.insert(try reader.count(limit: Int.max, of: "elements"), at: 0) }
    let number = try reader.integer(UInt32.self)
    guard let format = GGUFFormat(number: number) else {
      throw GGUFReadError(
        reason: "has the format \(GGUFFormat.name(of: number)), which is not supported")
    }
    let (blocks, rest) = (shape.last ?? 1).quotientAndRemainder(dividingBy: format.blockLength)
    guard rest == 0 else {
      throw GGUFReadError(
        reason: "rows of \(shape.last ?? 1) elements are no whole blocks of \(format.name)")
    }
    guard let size = Self.product(shape.dropLast() + [blocks, format.blockBytes]),
      Self.product(shape[...]) != nil
    else { throw GGUFReadError(reason: "its shape \(shape) is too large") }
    return Description(
      name: name, format: format, shape: shape, byteCount: size,
      offset: try reader.integer(UInt64.self))
  }

  /// nil when any of the products on the way overflows, whatever a zero would make of it.
  private static func product(_ factors: ArraySlice<Int>) -> Int? {
    var product = 1
    var isZero = false
    for factor in factors {
      if factor == 0 { isZero = true }
      let (next, overflow) = product.multipliedReportingOverflow(by: max(factor, 1))
      if overflow { return nil }
      product = next
    }
    return isZero ? 0 : product
  }

  /// `general.alignment`; 32 when there is none.
  private func alignment() throws(WeightsError) -> Int {
    let key = "general.alignment"
    guard let value = try metadata.integer(key) else { return 32 }
    guard value >= 1, value <= WeightsLimits.ggufAlignment, value & (value - 1) == 0 else {
      throw metadata.failure(
        key, "is \(value), not a power of two up to \(WeightsLimits.ggufAlignment)")
    }
    return value
  }

  private mutating func place(
    _ descriptions: [Description], alignment: Int, fileSize: Int
  ) throws(WeightsError) {
    // The head is at most `ggufHeaderBytes` long, so this does not overflow.
    let dataStart = (reader.position + alignment - 1) / alignment * alignment
    for tensor in descriptions {
      func refuse(_ reason: String) -> WeightsError {
        .malformedTensor(file: file, tensor: tensor.name, reason: reason)
      }
      guard tensor.offset.isMultiple(of: UInt64(alignment)) else {
        throw refuse("offset \(tensor.offset) is no multiple of the alignment \(alignment)")
      }
      let space = fileSize - dataStart
      guard let offset = Int(exactly: tensor.offset), space >= tensor.byteCount,
        offset <= space - tensor.byteCount
      else {
        throw refuse(
          "\(tensor.byteCount) bytes at offset \(tensor.offset) lie outside \(max(space, 0)) "
            + "bytes of data (is the file cut short?)")
      }
      let start = dataStart + offset
      entries.append(
        GGUFHeader.Entry(
          name: tensor.name, format: tensor.format, shape: tensor.shape,
          range: start..<start + tensor.byteCount))
    }
    entries.sort {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    for (before, entry) in zip(entries, entries.dropFirst())
    where entry.range.lowerBound < before.range.upperBound {
      throw .malformedTensor(file: file, tensor: entry.name, reason: "overlaps \(before.name)")
    }
  }
}
