// Reading config.json key by key: what is missing, of the wrong kind or out of range is an error
// that names the key, and so is a key nobody knows.

import JSON

/// The limits of a configuration, far above every released model and low enough that no product
/// of them overflows: the whole model stays below 2^61 bytes.
enum ConfigurationLimits {
  static let width = 1...(1 << 17)
  static let headWidth = 1...(1 << 13)
  static let heads = 1...(1 << 12)
  static let layers = 1...1000
  static let experts = 1...4096
  static let sharedExperts = 0...64
  static let vocabulary = 1...(1 << 24)
  static let positions = 1...(1 << 30)
  static let mtpLayers = 0...64
  static let endTokens = 64
}

/// The members of one object of the configuration.
struct ConfigurationFields {
  let object: JSONObject
  /// What precedes its keys in messages: empty, or the outer key and a dot.
  let path: String

  init(_ value: JSONValue, path: String = "") throws(DeepSeekError) {
    guard let object = value.objectValue else {
      let key = path.isEmpty ? "the whole" : String(path.dropLast())
      throw .configuration(key: key, reason: "is \(value.kind) instead of an object")
    }
    self.object = object
    self.path = path
  }

  /// The value of a key; null counts as absent, as in the transformers library.
  subscript(key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  func failure(_ key: String, _ reason: String) -> DeepSeekError {
    .configuration(key: path + key, reason: reason)
  }

  /// Refuses keys that are on none of the lists.
  func requireKnown(_ known: Set<String>...) throws(DeepSeekError) {
    for key in object.keys where !known.contains(where: { $0.contains(key) }) {
      throw failure(key, "is unknown")
    }
  }

  func optionalInteger(
    _ key: String, in range: ClosedRange<Int>
  ) throws(DeepSeekError) -> Int? {
    guard let value = self[key] else { return nil }
    guard case .integer(let number) = value, range ~= number else {
      throw failure(
        key,
        "is \(Self.shown(value)), not an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func integer(_ key: String, in range: ClosedRange<Int>) throws(DeepSeekError) -> Int {
    guard let number = try optionalInteger(key, in: range) else { throw failure(key, "is missing") }
    return number
  }

  func optionalNumber(
    _ key: String, in range: ClosedRange<Double>
  ) throws(DeepSeekError) -> Double? {
    guard let value = self[key] else { return nil }
    guard let number = value.doubleValue, range ~= number else {
      throw failure(
        key,
        "is \(Self.shown(value)), not a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func number(_ key: String, in range: ClosedRange<Double>) throws(DeepSeekError) -> Double {
    guard let number = try optionalNumber(key, in: range) else { throw failure(key, "is missing") }
    return number
  }

  func boolean(_ key: String, default absent: Bool) throws(DeepSeekError) -> Bool {
    guard let value = self[key] else { return absent }
    guard let flag = value.boolValue else {
      throw failure(key, "is \(Self.shown(value)), neither true nor false")
    }
    return flag
  }

  /// One of `choices`; `absent` when there is no such key, which is an error when that is nil.
  func choice<Choice>(
    _ key: String, default absent: Choice?, _ choices: KeyValuePairs<String, Choice>
  ) throws(DeepSeekError) -> Choice {
    guard let value = self[key] else {
      guard let absent else { throw failure(key, "is missing") }
      return absent
    }
    if let match = choices.first(where: { $0.key == value.stringValue }) { return match.value }
    let names = choices.map(\.key).joined(separator: ", ")
    throw failure(key, "is \(Self.shown(value)), but only \(names) can be used")
  }

  /// A key whose only usable value is `value`, or that is absent.
  func require(_ key: String, only value: JSONValue) throws(DeepSeekError) {
    guard let found = self[key], found != value else { return }
    throw failure(key, "is \(Self.shown(found)), but only \(Self.shown(value)) can be used")
  }

  /// A value as a message shows it.
  private static func shown(_ value: JSONValue) -> String {
    switch value {
    case .array, .object: value.kind
    case .string(let text): "\"\(text.prefix(100))\""
    default: value.text
    }
  }
}
