// One JSON value (RFC 8259). Objects keep the order of their members, so that what is written can
// be compared byte for byte and a configuration is reported in the order its author chose.

/// A JSON value. Numbers without fraction or exponent that fit 64 bits stay integers.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

extension JSONValue {
  /// Whether this is null.
  public var isNull: Bool { self == .null }

  /// The value of a boolean; nil for anything else, as with the other accessors.
  public var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The value as an integer; a double counts when it is a whole number that converts exactly.
  public var integerValue: Int? {
    switch self {
    case .integer(let value): value
    case .double(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The value of a number, rounded when it is an integer beyond 2^53.
  public var doubleValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }

  /// The text of a string.
  public var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The elements of an array.
  public var arrayValue: [JSONValue]? {
    if case .array(let value) = self { value } else { nil }
  }

  /// The members of an object.
  public var objectValue: JSONObject? {
    if case .object(let value) = self { value } else { nil }
  }

  /// The member of an object; nil when this is no object or has no such member.
  public subscript(key: String) -> JSONValue? { objectValue?[key] }

  /// What kind of value this is, in the words an error message uses.
  public var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer: "an integer"
    case .double: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

/// A key compared code point by code point (RFC 8259, section 8.3). String's own equality would
/// take canonically equivalent keys, such as a composed and a decomposed letter, for the same one.
private struct ExactKey: Hashable, Sendable {
  let text: String

  init(_ text: String) { self.text = text }

  static func == (left: ExactKey, right: ExactKey) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  func hash(into hasher: inout Hasher) {
    var word: UInt64 = 0
    var count = 0
    for byte in text.utf8 {
      word = word << 8 | UInt64(byte)
      count += 1
      if count & 7 == 0 { hasher.combine(word) }
    }
    hasher.combine(word)
    hasher.combine(count)
  }
}

/// The members of a JSON object, in order; each key occurs once.
public struct JSONObject: Sendable, Equatable {
  /// Keys in order.
  public private(set) var keys: [String] = []
  /// Values in the order of the keys.
  public private(set) var values: [JSONValue] = []
  /// Position by key, kept only for large objects: a linear scan is faster below that.
  private var index: [ExactKey: Int]?

  private static let largestScanned = 16

  /// An object without members.
  public init() {}

  /// The number of members.
  public var count: Int { keys.count }

  /// Key and value pairs in order.
  public var members: Zip2Sequence<[String], [JSONValue]> { zip(keys, values) }

  /// Where a key stands in the order; nil when it is absent.
  public func position(of key: String) -> Int? {
    if let index { return index[ExactKey(key)] }
    return keys.firstIndex { $0.utf8.elementsEqual(key.utf8) }
  }

  /// Reading: nil when absent. Writing: replaces in place or appends; nil changes nothing, so that
  /// optional members can be assigned without a condition.
  public subscript(key: String) -> JSONValue? {
    get { position(of: key).map { values[$0] } }
    set {
      guard let newValue else { return }
      if let position = position(of: key) {
        values[position] = newValue
      } else {
        append(key, newValue)
      }
    }
  }

  /// Adds a member whose key is known to be new.
  mutating func append(_ key: String, _ value: JSONValue) {
    keys.append(key)
    values.append(value)
    if index != nil {
      index?[ExactKey(key)] = keys.count - 1
    } else if keys.count > Self.largestScanned {
      index = Dictionary(uniqueKeysWithValues: keys.enumerated().map { (ExactKey($1), $0) })
    }
  }

  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.keys == right.keys && left.values == right.values
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .null }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    var object = JSONObject()
    for (key, value) in elements { object[key] = value }
    self = .object(object)
  }
}
