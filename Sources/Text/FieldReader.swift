// Typed access to the members of a tokenizer file; every complaint names the path of the value.

import JSON

/// A JSON object together with where it stands in the file.
struct FieldReader {
  let path: String
  let object: JSONObject

  init(_ value: JSONValue, path: String) throws(TextError) {
    guard let object = value.objectValue else {
      throw .invalid(path: path, expected: "an object, is \(value.kind)")
    }
    self.path = path
    self.object = object
  }

  func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  /// The member, nil when it is absent or null.
  subscript(key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  func invalid(_ key: String, _ expected: String) -> TextError {
    .invalid(path: path(of: key), expected: expected)
  }

  func required(_ key: String) throws(TextError) -> JSONValue {
    guard let value = self[key] else { throw invalid(key, "present") }
    return value
  }

  func reader(_ key: String) throws(TextError) -> FieldReader? {
    guard let value = self[key] else { return nil }
    return try FieldReader(value, path: path(of: key))
  }

  func string(_ key: String) throws(TextError) -> String? {
    guard let value = self[key] else { return nil }
    guard let string = value.stringValue else { throw invalid(key, "a string") }
    guard string.utf8.count <= TextLimits.stringBytes else {
      throw .tooLarge(path: path(of: key), limit: TextLimits.stringBytes)
    }
    return string
  }

  func requiredString(_ key: String) throws(TextError) -> String {
    guard let string = try string(key) else { throw invalid(key, "a string") }
    return string
  }

  func scalar(_ key: String) throws(TextError) -> Unicode.Scalar {
    let scalars = Array(try requiredString(key).unicodeScalars)
    guard scalars.count == 1 else { throw invalid(key, "one character") }
    return scalars[0]
  }

  func bool(_ key: String, default fallback: Bool) throws(TextError) -> Bool {
    guard let value = self[key] else { return fallback }
    guard let bool = value.boolValue else { throw invalid(key, "a boolean") }
    return bool
  }

  func integer(_ key: String, in range: Range<Int>) throws(TextError) -> Int {
    guard let value = try required(key).integerValue, range.contains(value) else {
      throw invalid(key, "an integer in \(range.lowerBound)..<\(range.upperBound)")
    }
    return value
  }

  func array(_ key: String) throws(TextError) -> [JSONValue] {
    guard let array = try required(key).arrayValue else { throw invalid(key, "an array") }
    return array
  }

  /// The elements of a `Sequence` component.
  func elements(_ key: String) throws(TextError) -> [FieldReader] {
    let values = try array(key)
    guard values.count <= TextLimits.steps else {
      throw .tooLarge(path: path(of: key), limit: TextLimits.steps)
    }
    var readers: [FieldReader] = []
    for (index, value) in values.enumerated() {
      readers.append(try FieldReader(value, path: "\(path(of: key))[\(index)]"))
    }
    return readers
  }

  /// The `type` of a component.
  func type() throws(TextError) -> String { try requiredString("type") }

  /// The type of one more step of a pipeline, which may have so many.
  func typeOfStep(after count: Int) throws(TextError) -> String {
    guard count < TextLimits.steps else { throw .tooLarge(path: path, limit: TextLimits.steps) }
    return try type()
  }

  func unsupported(_ what: String) -> TextError { .unsupported(path: path, what: what) }

  /// A `pattern` member: `{"String": literal}` or `{"Regex": expression}`.
  func pattern() throws(TextError) -> Regex {
    guard let pattern = try reader("pattern") else { throw invalid("pattern", "an object") }
    if let literal = try pattern.string("String") {
      return try pattern.regex { () throws(RegexError) in try Regex(literal: literal) }
    }
    let expression = try pattern.requiredString("Regex")
    return try pattern.regex { () throws(RegexError) in try Regex(oniguruma: expression) }
  }

  /// Compiles a pattern that belongs to this object.
  func regex(_ compile: () throws(RegexError) -> Regex) throws(TextError) -> Regex {
    do { return try compile() } catch { throw .pattern(path: path, reason: error.reason) }
  }
}
