// The key-value part of a GGUF file to be written (github.com/ggml-org/ggml, docs/gguf.md).

/// Keys and values in the order they are written.
public struct ExportMetadata: Sendable {
  /// The types of values that a model of this family needs.
  public enum Value: Sendable, Equatable {
    case unsigned(UInt32)
    case integer(Int32)
    case float(Float)
    case bool(Bool)
    case string(String)
    case strings([String])
    case integers([Int32])
  }

  /// Every key once.
  public private(set) var entries: [(key: String, value: Value)] = []

  /// Nothing yet.
  public init() {}

  /// Adds a key that is not there yet; a nil value adds nothing.
  public mutating func add(_ key: String, _ value: Value?) {
    guard let value else { return }
    precondition(!entries.contains { $0.key == key }, "a key twice")
    entries.append((key, value))
  }

  /// A count or size, which the format holds in 32 bits.
  public mutating func add(_ key: String, count: Int?) {
    guard let count else { return }
    guard let value = UInt32(exactly: count) else { preconditionFailure("\(key) beyond 32 bits") }
    add(key, .unsigned(value))
  }

  /// Adds everything that another set has.
  public mutating func add(contentsOf other: ExportMetadata) {
    for (key, value) in other.entries { add(key, value) }
  }
}

/// Little-endian numbers and strings behind each other.
struct GGUFBytes {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    let count = value.bitWidth / 8
    for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
  }

  /// The length in 64 bits, then the text in UTF-8.
  mutating func append(_ string: String) {
    append(UInt64(string.utf8.count))
    bytes.append(contentsOf: string.utf8)
  }

  mutating func append(raw text: StaticString) {
    bytes.append(contentsOf: text.description.utf8)
  }

  mutating func pad(to alignment: Int) {
    while !bytes.count.isMultiple(of: alignment) { bytes.append(0) }
  }

  /// Type numbers of `enum gguf_metadata_value_type`.
  mutating func append(_ value: ExportMetadata.Value) {
    switch value {
    case .unsigned(let number): appendTyped(4) { $0.append(number) }
    case .integer(let number): appendTyped(5) { $0.append(number) }
    case .float(let number): appendTyped(6) { $0.append(number.bitPattern) }
    case .bool(let flag): appendTyped(7) { $0.append(UInt8(flag ? 1 : 0)) }
    case .string(let text): appendTyped(8) { $0.append(text) }
    case .strings(let texts):
      appendArray(of: 8, count: texts.count) { for text in texts { $0.append(text) } }
    case .integers(let numbers):
      appendArray(of: 5, count: numbers.count) { for number in numbers { $0.append(number) } }
    }
  }

  private mutating func appendTyped(_ type: UInt32, _ body: (inout GGUFBytes) -> Void) {
    append(type)
    body(&self)
  }

  private mutating func appendArray(
    of type: UInt32, count: Int, _ body: (inout GGUFBytes) -> Void
  ) {
    append(UInt32(9))
    append(type)
    append(UInt64(count))
    body(&self)
  }
}
