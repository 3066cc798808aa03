// GGUF files made by hand, right and wrong.

/// A metadata value or array as it stands in a file, behind its key.
public struct GGUFField: Sendable {
  public let type: UInt32
  public let bytes: [UInt8]

  /// Any type and any bytes.
  public init(type: UInt32, bytes: [UInt8]) {
    self.type = type
    self.bytes = bytes
  }

  public static func uint8(_ value: UInt8) -> GGUFField { GGUFField(type: 0, bytes: [value]) }
  public static func int8(_ value: Int8) -> GGUFField {
    GGUFField(type: 1, bytes: littleEndian(value))
  }
  public static func uint16(_ value: UInt16) -> GGUFField {
    GGUFField(type: 2, bytes: littleEndian(value))
  }
  public static func int16(_ value: Int16) -> GGUFField {
    GGUFField(type: 3, bytes: littleEndian(value))
  }
  public static func uint32(_ value: UInt32) -> GGUFField {
    GGUFField(type: 4, bytes: littleEndian(value))
  }
  public static func int32(_ value: Int32) -> GGUFField {
    GGUFField(type: 5, bytes: littleEndian(value))
  }
  public static func float32(_ value: Float) -> GGUFField {
    GGUFField(type: 6, bytes: littleEndian(value.bitPattern))
  }
  public static func bool(_ value: Bool) -> GGUFField { GGUFField(type: 7, bytes: [value ? 1 : 0]) }
  public static func string(_ value: String) -> GGUFField {
    GGUFField(type: 8, bytes: ggufString(value))
  }
  public static func uint64(_ value: UInt64) -> GGUFField {
    GGUFField(type: 10, bytes: littleEndian(value))
  }
  public static func int64(_ value: Int64) -> GGUFField {
    GGUFField(type: 11, bytes: littleEndian(value))
  }
  public static func float64(_ value: Double) -> GGUFField {
    GGUFField(type: 12, bytes: littleEndian(value.bitPattern))
  }
  public static func array(_ type: UInt32, _ fields: [GGUFField]) -> GGUFField {
    GGUFField(
      type: 9,
      bytes: littleEndian(type) + littleEndian(UInt64(fields.count)) + fields.flatMap(\.bytes))
  }
  public static func strings(_ list: [String]) -> GGUFField { array(8, list.map { .string($0) }) }
}

/// A length and the text.
private func ggufString(_ text: String) -> [UInt8] {
  littleEndian(UInt64(text.utf8.count)) + Array(text.utf8)
}

/// A tensor to be written: name, number of the format, shape with rows first, bytes.
public struct GGUFTensor: Sendable {
  public let name: String
  public let type: UInt32
  public let shape: [Int]
  public let bytes: [UInt8]

  public init(_ name: String, _ type: UInt32, _ shape: [Int], _ bytes: [UInt8]) {
    self.name = name
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  /// 32-bit numbers 0, 1, 2, ...
  public init(_ name: String, _ shape: [Int]) {
    let values = (0..<shape.reduce(1, *)).map { Float($0) }
    self.init(name, 0, shape, values.flatMap { littleEndian($0.bitPattern) })
  }
}

/// The parts of a file, each of which can be replaced by something else.
public struct GGUFFile: Sendable {
  public var magic: [UInt8] = Array("GGUF".utf8)
  public var version: UInt32 = 3
  public var fields: [(key: String, value: GGUFField)] = []
  public var tensors: [GGUFTensor] = []
  public var alignment = 32
  /// Instead of the true numbers.
  public var keyCount: UInt64?
  public var tensorCount: UInt64?
  /// Instead of the dimensions or offset of the last tensor.
  public var lastDimensions: [UInt64]?
  public var lastOffset: UInt64?

  public init(_ fields: [(key: String, value: GGUFField)] = [], _ tensors: [GGUFTensor] = []) {
    self.fields = fields
    self.tensors = tensors
  }

  /// The head, up to where the padding in front of the data begins.
  public var head: [UInt8] {
    var bytes = magic + littleEndian(version)
    bytes += littleEndian(tensorCount ?? UInt64(tensors.count))
    bytes += littleEndian(keyCount ?? UInt64(fields.count))
    for (key, value) in fields { bytes += ggufString(key) + littleEndian(value.type) + value.bytes }
    var offset = 0
    for (index, tensor) in tensors.enumerated() {
      let isLast = index == tensors.count - 1
      let dimensions =
        (isLast ? lastDimensions : nil) ?? tensor.shape.reversed().map { UInt64($0) }
      bytes += ggufString(tensor.name) + littleEndian(UInt32(dimensions.count))
      bytes += dimensions.flatMap { littleEndian($0) } + littleEndian(tensor.type)
      bytes += littleEndian((isLast ? lastOffset : nil) ?? UInt64(offset))
      offset += padded(tensor.bytes.count)
    }
    return bytes
  }

  private func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  public var bytes: [UInt8] {
    var bytes = head
    func pad() {
      bytes += [UInt8](repeating: 0, count: padded(bytes.count) - bytes.count)
    }
    pad()
    for tensor in tensors {
      bytes += tensor.bytes
      pad()
    }
    return bytes
  }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  unsafe withUnsafeBytes(of: value.littleEndian) { unsafe Array($0) }
}
