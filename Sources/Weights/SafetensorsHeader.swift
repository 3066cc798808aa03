// The head of a safetensors file (github.com/huggingface/safetensors, README, "Format"): eight
// bytes of little-endian length, then a JSON object that gives each tensor's format, shape and
// byte range behind the header. A pure function of bytes, and hostile until it returns.

import JSON

/// The checked table of contents of one safetensors file.
package struct SafetensorsHeader: Equatable, Sendable {
  package struct Entry: Equatable, Sendable {
    package let name: String
    /// The format's name in the file, one of the format's own list.
    package let format: String
    package let shape: [Int]
    /// Where the tensor lies in the file.
    package let range: Range<Int>
  }

  /// The tensors in the order of the file's bytes. They cover it from the header to its end
  /// without gap or overlap.
  package let entries: [Entry]

  /// Size of the length that opens the file.
  static let prefixBytes = 8

  /// The length of the JSON text, from the bytes that open a file of `fileSize` bytes.
  package static func textLength(
    prefix: [UInt8], fileSize: Int, file: String
  ) throws(WeightsError) -> Int {
    guard prefix.count == prefixBytes, fileSize >= prefixBytes else {
      throw .malformedFile(file: file, reason: "shorter than the length of its header")
    }
    let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(WeightsLimits.headerBytes) else {
      throw .malformedFile(
        file: file,
        reason: "header of \(length) bytes, above the limit of \(WeightsLimits.headerBytes)")
    }
    guard Int(length) <= fileSize - prefixBytes else {
      throw .malformedFile(file: file, reason: "ends inside its header of \(length) bytes")
    }
    return Int(length)
  }

  /// Parses the JSON text of a header; `fileSize` is that of the whole file, `file` its name.
  package init(text: [UInt8], fileSize: Int, file: String) throws(WeightsError) {
    precondition(fileSize - text.count >= Self.prefixBytes)
    guard text.first == UInt8(ascii: "{") else {
      throw .malformedFile(file: file, reason: "the header does not begin with {")
    }
    let json: JSONValue
    do { json = try JSONValue(parsing: text) } catch { throw .malformedJSON(file: file, error) }
    guard let object = json.objectValue else {
      throw .malformedFile(file: file, reason: "the header is not an object")
    }
    let dataStart = Self.prefixBytes + text.count
    var entries: [Entry] = []
    for (name, value) in object.members {
      if name == "__metadata__" {
        guard let object = value.objectValue, object.values.allSatisfy({ $0.stringValue != nil })
        else {
          throw .malformedFile(file: file, reason: "__metadata__ is not an object of strings")
        }
        continue
      }
      do throws(EntryError) {
        entries.append(
          try Self.entry(name, value, dataStart: dataStart, dataSize: fileSize - dataStart))
      } catch {
        throw .malformedTensor(file: file, tensor: name, reason: error.reason)
      }
    }
    entries.sort {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    try Self.checkTiling(entries, from: dataStart, to: fileSize, file: file)
    self.entries = entries
  }

  private struct EntryError: Error {
    let reason: String
  }

  private static func entry(
    _ name: String, _ value: JSONValue, dataStart: Int, dataSize: Int
  ) throws(EntryError) -> Entry {
    guard let object = value.objectValue else {
      throw EntryError(reason: "described by \(value.kind) instead of an object")
    }
    for key in object.keys where !["dtype", "shape", "data_offsets"].contains(key) {
      throw EntryError(reason: "unknown key \(key)")
    }
    guard let format = object["dtype"]?.stringValue, let bits = bitsPerElement[format] else {
      throw EntryError(reason: "dtype is missing or unknown")
    }
    guard let shape = numbers(object["shape"]), shape.count <= WeightsLimits.dimensions else {
      throw EntryError(
        reason: "shape is not a list of at most \(WeightsLimits.dimensions) whole numbers")
    }
    guard let offsets = numbers(object["data_offsets"]), offsets.count == 2 else {
      throw EntryError(reason: "data_offsets is not a pair of whole numbers")
    }
    guard offsets[0] <= offsets[1], offsets[1] <= dataSize else {
      throw EntryError(reason: "data_offsets \(offsets) lie outside \(dataSize) bytes of data")
    }
    guard let expected = byteCount(shape, bitsPerElement: bits) else {
      throw EntryError(reason: "shape \(shape) of \(format) is no whole number of bytes")
    }
    guard offsets[1] - offsets[0] == expected else {
      throw EntryError(
        reason: "\(offsets[1] - offsets[0]) bytes instead of the \(expected) of its shape")
    }
    return Entry(
      name: name, format: format, shape: shape,
      range: (dataStart + offsets[0])..<(dataStart + offsets[1]))
  }

  /// A list of integers that are not negative; nil for anything else, `4.0` included.
  private static func numbers(_ value: JSONValue?) -> [Int]? {
    guard let elements = value?.arrayValue else { return nil }
    var numbers: [Int] = []
    for element in elements {
      guard case .integer(let number) = element, number >= 0 else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  /// Size of a tensor; nil when it overflows or ends inside a byte.
  private static func byteCount(_ shape: [Int], bitsPerElement: Int) -> Int? {
    var bits = bitsPerElement
    for dimension in shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: dimension)
      if overflow { return nil }
      bits = product
    }
    return bits.isMultiple(of: 8) ? bits / 8 : nil
  }

  private static func checkTiling(
    _ entries: [Entry], from start: Int, to end: Int, file: String
  ) throws(WeightsError) {
    var position = start
    for entry in entries {
      guard entry.range.lowerBound == position else {
        let what = entry.range.lowerBound < position ? "overlaps another" : "leaves a gap before it"
        throw .malformedTensor(file: file, tensor: entry.name, reason: what)
      }
      position = entry.range.upperBound
    }
    guard position == end else {
      throw .malformedFile(
        file: file, reason: "\(end - position) bytes at the end belong to no tensor")
    }
  }

  /// Every format of the specification, in bits: a file may hold tensors that only an unused
  /// part of a model would read.
  private static let bitsPerElement: [String: Int] = [
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
  ]
}
