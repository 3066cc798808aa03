// Typed access to the members of a request, which remembers what was read: a member that nobody
// asked for is refused by name, so that no parameter can be accepted and ignored.

import JSON

/// The members of one JSON object of a request. A member that is null counts as absent, as in the
/// OpenAI API.
struct RequestFields {
  /// Where the object stands in the request; empty for the request itself.
  private let path: String
  private let object: JSONObject
  private var read: Set<String> = []

  init(_ value: JSONValue, path: String = "") throws(APIError) {
    guard let object = value.objectValue else {
      let what = path.isEmpty ? "The request body" : "`\(path)`"
      throw .invalid(path.isEmpty ? nil : path, "\(what) must be an object, not \(value.kind).")
    }
    self.path = path
    self.object = object
  }

  /// The name of a member as errors give it.
  func name(_ key: String) -> String {
    let key = APIError.quoted(key)
    return path.isEmpty ? key : "\(path).\(key)"
  }

  func invalid(_ key: String, _ requirement: String, code: String? = nil) -> APIError {
    .invalid(name(key), "`\(name(key))` \(requirement).", code: code)
  }

  private func wrongType(_ key: String, _ expected: String, _ value: JSONValue) -> APIError {
    invalid(key, "must be \(expected), not \(value.kind)")
  }

  mutating func value(_ key: String) -> JSONValue? {
    read.insert(key)
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  mutating func string(_ key: String) throws(APIError) -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value.stringValue else { throw wrongType(key, "a string", value) }
    return string
  }

  mutating func bool(_ key: String) throws(APIError) -> Bool? {
    guard let value = value(key) else { return nil }
    guard let bool = value.boolValue else { throw wrongType(key, "a boolean", value) }
    return bool
  }

  mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let integer = value.integerValue else {
      guard value.doubleValue == nil else {
        throw invalid(key, "must be an integer between \(range.lowerBound) and \(range.upperBound)")
      }
      throw wrongType(key, "an integer", value)
    }
    guard range.contains(integer) else {
      throw invalid(key, "must be between \(range.lowerBound) and \(range.upperBound)")
    }
    return integer
  }

  mutating func number(_ key: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.doubleValue else { throw wrongType(key, "a number", value) }
    guard range.contains(number) else {
      throw invalid(key, "must be between \(range.lowerBound) and \(range.upperBound)")
    }
    return number
  }

  /// An array of at most `limit` elements.
  mutating func array(_ key: String, limit: Int) throws(APIError) -> [JSONValue]? {
    guard let value = value(key) else { return nil }
    guard let array = value.arrayValue else { throw wrongType(key, "an array", value) }
    guard array.count <= limit else { throw invalid(key, "may have at most \(limit) elements") }
    return array
  }

  /// A member that is an object itself.
  mutating func fields(_ key: String) throws(APIError) -> RequestFields? {
    guard let value = value(key) else { return nil }
    return try RequestFields(value, path: name(key))
  }

  /// Members of an object whose keys are data, in order.
  mutating func members(
    _ key: String, limit: Int
  ) throws(APIError) -> [(key: String, value: JSONValue)] {
    guard let value = value(key) else { return [] }
    guard let object = value.objectValue else { throw wrongType(key, "an object", value) }
    guard object.count <= limit else { throw invalid(key, "may have at most \(limit) entries") }
    return object.members.map { (key: $0.0, value: $0.1) }
  }

  /// Accepts a member that changes nothing when it has one of the `neutral` values, and refuses
  /// every other value of it.
  mutating func refuse(_ key: String, except neutral: [JSONValue]) throws(APIError) {
    guard let value = value(key), !neutral.contains(value) else { return }
    let hint = neutral.isEmpty ? "" : " other than \(neutral.map(\.text).joined(separator: ", "))"
    throw invalid(
      key, neutral.isEmpty ? "is not supported" : "does not support values\(hint)",
      code: "unsupported_parameter")
  }

  /// Refuses the first member that has not been read.
  func finish() throws(APIError) {
    for key in object.keys where !read.contains(key) {
      throw invalid(key, "is not a known parameter", code: "unknown_parameter")
    }
  }
}
