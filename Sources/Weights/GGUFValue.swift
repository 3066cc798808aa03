// One value of a GGUF file's metadata. Arrays stay flat lists of one kind: nothing nests.

/// A metadata value. The integer types of the format, signed and unsigned, of every width, are one
/// kind here: readers check ranges anyway.
public enum GGUFValue: Equatable, Sendable {
  case integer(Int)
  /// A 64-bit unsigned integer above `Int.max`.
  case large(UInt64)
  /// A number stored in 32 bits, as the decimal fraction that it was rounded from.
  case number(Double)
  case bool(Bool)
  case string(String)
  case integers([Int])
  case numbers([Double])
  case bools([Bool])
  case strings([String])

  /// The shortest decimal fraction that rounds to `value`: 1e-6 for Float(1e-6), whose own value is
  /// 9.99999997e-7.
  init(_ value: Float) {
    self = .number(Double(value.description) ?? Double(value))
  }

  /// What kind of value this is, in the words an error message uses.
  var kind: String {
    switch self {
    case .integer, .large: "an integer"
    case .number: "a number"
    case .bool: "a boolean"
    case .string: "a string"
    case .integers: "an array of integers"
    case .numbers: "an array of numbers"
    case .bools: "an array of booleans"
    case .strings: "an array of strings"
    }
  }
}

/// The value types of the format (github.com/ggml-org/ggml, docs/gguf.md).
enum GGUFValueType: UInt32 {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12
}

/// The metadata of a GGUF file: keys and their values in the order of the file.
public struct GGUFMetadata: Sendable {
  /// The file's name in messages.
  public let file: String
  public private(set) var keys: [String] = []
  private var values: [String: GGUFValue] = [:]

  init(file: String) { self.file = file }

  /// The value of a key; nil when there is none.
  public subscript(key: String) -> GGUFValue? { values[key] }

  /// Adds a key; false when it is there already.
  mutating func insert(_ key: String, _ value: GGUFValue) -> Bool {
    guard values.updateValue(value, forKey: key) == nil else { return false }
    keys.append(key)
    return true
  }

  /// An error about one key.
  public func failure(_ key: String, _ reason: String) -> WeightsError {
    .badMetadata(file: file, key: key, reason: reason)
  }

  private func mistaken(_ key: String, _ value: GGUFValue, _ wanted: String) -> WeightsError {
    failure(key, "is \(value.kind) instead of \(wanted)")
  }

  /// The integer of a key, nil when there is none.
  public func integer(_ key: String) throws(WeightsError) -> Int? {
    guard let value = values[key] else { return nil }
    guard case .integer(let number) = value else { throw mistaken(key, value, "an integer") }
    return number
  }

  /// The number of a key, which may be stored as an integer.
  public func number(_ key: String) throws(WeightsError) -> Double? {
    guard let value = values[key] else { return nil }
    switch value {
    case .number(let number) where number.isFinite: return number
    case .integer(let number): return Double(number)
    default: throw mistaken(key, value, "a finite number")
    }
  }

  /// The boolean of a key.
  public func bool(_ key: String) throws(WeightsError) -> Bool? {
    guard let value = values[key] else { return nil }
    guard case .bool(let flag) = value else { throw mistaken(key, value, "a boolean") }
    return flag
  }

  /// The string of a key.
  public func string(_ key: String) throws(WeightsError) -> String? {
    guard let value = values[key] else { return nil }
    guard case .string(let text) = value else { throw mistaken(key, value, "a string") }
    return text
  }

  /// The strings of a key.
  public func strings(_ key: String) throws(WeightsError) -> [String]? {
    guard let value = values[key] else { return nil }
    guard case .strings(let list) = value else { throw mistaken(key, value, "an array of strings") }
    return list
  }

  /// The integers of a key.
  public func integers(_ key: String) throws(WeightsError) -> [Int]? {
    guard let value = values[key] else { return nil }
    guard case .integers(let list) = value else {
      throw mistaken(key, value, "an array of integers")
    }
    return list
  }
}
