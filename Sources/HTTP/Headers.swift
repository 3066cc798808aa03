// Header fields in the order they came, looked up without regard to case.

/// The header fields of a request or response (RFC 9110, section 5).
public struct Headers: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  /// One field line.
  public struct Field: Sendable, Equatable {
    public let name: String
    public let value: String
  }

  /// All fields in order, repeated names included.
  public private(set) var fields: [Field] = []

  /// No fields.
  public init() {}

  public init(dictionaryLiteral elements: (String, String)...) {
    for (name, value) in elements { append(name, value) }
  }

  /// Adds a field line behind those already there.
  public mutating func append(_ name: String, _ value: String) {
    fields.append(Field(name: name, value: value))
  }

  /// Adds the field lines of `others` behind those already there.
  mutating func append(contentsOf others: Headers) {
    fields += others.fields
  }

  /// The value of the first field called `name`, in any case.
  public subscript(name: String) -> String? {
    fields.first { Self.isSame($0.name, name) }?.value
  }

  /// The values of all fields called `name`, in order.
  public func values(_ name: String) -> [String] {
    fields.filter { Self.isSame($0.name, name) }.map(\.value)
  }

  /// The members of a comma-separated list field in lower case, over all its lines
  /// (RFC 9110, section 5.6.1: empty members do not count).
  public func list(_ name: String) -> [String] {
    values(name).flatMap { value in
      Array(value.utf8)[...].split(separator: UInt8(ascii: ",")).compactMap { member in
        let trimmed = member.trimmed
        return trimmed.isEmpty ? nil : String(decoding: trimmed, as: UTF8.self).lowercased()
      }
    }
  }

  private static func isSame(_ one: String, _ other: String) -> Bool {
    one.utf8.count == other.utf8.count
      && zip(one.utf8, other.utf8).allSatisfy { lowercase($0) == lowercase($1) }
  }

  private static func lowercase(_ byte: UInt8) -> UInt8 {
    byte.isLetter ? byte | 0x20 : byte
  }
}
