// GGUF files made by hand, right and wrong.

import TestSupport

/// A metadata value or array as it stands in a file, behind its key.
struct GGUFField {
  let type: UInt32
  let bytes: [UInt8]

  static func uint8(_ value: UInt8) -> GGUFField { GGUFField(type: 0, bytes: [value]) }
  static func int8(_ value: Int8) -> GGUFField { GGUFField(type: 1, bytes: littleEndian(value)) }
  static func uint16(_ value: UInt16) -> GGUFField {
    GGUFField(type: 2, bytes: littleEndian(value))
  }
  static func int16(_ value: Int16) -> GGUFField { GGUFField(type: 3, bytes: littleEndian(value)) }
  static func uint32(_ value: UInt32) -> GGUFField {
    GGUFField(type: 4, bytes: littleEndian(value))
  }
  static func int32(_ value: Int32) -> GGUFField { GGUFField(type: 5, bytes: littleEndian(value)) }
  static func float32(_ value: Float) -> GGUFField {
    GGUFField(type: 6, bytes: littleEndian(value.bitPattern))
  }
  static func bool(_ value: Bool) -> GGUFField { GGUFField(type: 7, bytes: [value ? 1 : 0]) }
  static func string(_ value: String) -> GGUFField {
    GGUFField(type: 8, bytes: ggufString(value))
  }
  static func uint64(_ value: UInt64) -> GGUFField {
    GGUFField(type: 10, bytes: littleEndian(value))
  }
  static func int64(_ value: Int64) -> GGUFField {
    GGUFField(type: 11, bytes: littleEndian(value))
  }
  static func float64(_ value: Double) -> GGUFField {
    GGUFField(type: 12, bytes: littleEndian(value.bitPattern))
  }
  static func array(_ type: UInt32, _ fields: [GGUFField]) -> GGUFField {
    GGUFField(
      type: 9,
      bytes: littleEndian(type) + littleEndian(UInt64(fields.count)) + fields.flatMap(\.bytes))
  }
  static func strings(_ list: [String]) -> GGUFField { array(8, list.map { .string($0) }) }
}

/// A length and the text.
func ggufString(_ text: String) -> [UInt8] {
  littleEndian(UInt64(text.utf8.count)) + Array(text.utf8)
}

/// A tensor to be written: name, number of the format, shape with rows first, bytes.
struct GGUFTensor {
  let name: String
  let type: UInt32
  let shape: [Int]
  let bytes: [UInt8]

  init(_ name: String, _ type: UInt32, _ shape: [Int], _ bytes: [UInt8]) {
    self.name = name
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  /// 32-bit numbers 0, 1, 2, ...
  init(_ name: String, _ shape: [Int]) {
    let values = (0..<shape.reduce(1, *)).map { Float($0) }
    self.init(name, 0, shape, littleEndian(values))
  }
}

/// The parts of a file, each of which can be replaced by something else.
struct GGUFFile {
  var magic: [UInt8] = Array("GGUF".utf8)
  var version: UInt32 = 3
  var fields: [(key: String, value: GGUFField)] = []
  var tensors: [GGUFTensor] = []
  var alignment = 32
  /// Instead of the true numbers.
  var keyCount: UInt64?
  var tensorCount: UInt64?
  /// Instead of the dimensions or offset of the last tensor.
  var lastDimensions: [UInt64]?
  var lastOffset: UInt64?
  /// Instead of an empty end.
  var tail: [UInt8] = []

  init(_ fields: [(key: String, value: GGUFField)] = [], _ tensors: [GGUFTensor] = []) {
    self.fields = fields
    self.tensors = tensors
  }

  /// The head, up to where the padding in front of the data begins.
  var head: [UInt8] {
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

  var bytes: [UInt8] {
    var bytes = head
    func pad() {
      bytes += [UInt8](repeating: 0, count: padded(bytes.count) - bytes.count)
    }
    pad()
    for tensor in tensors {
      bytes += tensor.bytes
      pad()
    }
    return bytes + tail
  }
}
