// Bytes to JSONValue, strictly as RFC 8259 has it: no comments, no trailing commas, no NaN, no
// byte-order mark, no lone surrogates. A repeated key is an error, because readers that pick
// different ones of two members are a known way to smuggle a value past a check.

/// Why a text is not acceptable JSON, and where.
public struct JSONError: Error, Equatable, CustomStringConvertible {
  /// What is wrong.
  public enum Reason: Equatable, Sendable {
    case tooLarge(limit: Int)
    case tooDeep(limit: Int)
    case unexpectedEnd
    case unexpectedByte(UInt8)
    case trailingBytes
    case badNumber
    case numberOutOfRange
    case badEscape
    case badUnicode
    case controlCharacter
    case duplicateKey(String)
  }

  /// What is wrong with it.
  public let reason: Reason
  /// Byte offset in the text.
  public let offset: Int

  public var description: String { "invalid JSON at byte \(offset): \(explanation)" }

  private var explanation: String {
    switch reason {
    case .tooLarge(let limit): "larger than \(limit) bytes"
    case .tooDeep(let limit): "nested deeper than \(limit) levels"
    case .unexpectedEnd: "unexpected end"
    case .unexpectedByte(let byte): "unexpected byte 0x\(String(byte, radix: 16))"
    case .trailingBytes: "bytes after the value"
    case .badNumber: "malformed number"
    case .numberOutOfRange: "number out of range"
    case .badEscape: "malformed escape"
    case .badUnicode: "text is not valid Unicode"
    case .controlCharacter: "unescaped control character in a string"
    case .duplicateKey(let key): "the key \"\(key)\" occurs twice"
    }
  }
}

/// Limits of one parse.
public struct JSONLimits: Sendable {
  /// The most bytes of a text.
  public var bytes: Int
  /// The most arrays and objects within each other.
  public var depth: Int

  /// Defaults for files of a checkpoint; requests have tighter ones.
  public init(bytes: Int = 1 << 30, depth: Int = 64) {
    self.bytes = bytes
    self.depth = depth
  }
}

extension JSONValue {
  /// Parses one value that fills the whole of `text`, white space aside.
  public init(parsing text: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
    guard text.count <= limits.bytes else {
      throw JSONError(reason: .tooLarge(limit: limits.bytes), offset: limits.bytes)
    }
    var parser = JSONParser(text: text, depthLimit: limits.depth)
    self = try parser.parseDocument()
  }
}

private struct JSONParser {
  let text: [UInt8]
  let depthLimit: Int
  var offset = 0

  init(text: [UInt8], depthLimit: Int) {
    self.text = text
    self.depthLimit = depthLimit
  }

  mutating func parseDocument() throws(JSONError) -> JSONValue {
    skipWhiteSpace()
    let value = try parseValue(depth: 0)
    skipWhiteSpace()
    guard offset == text.count else { throw failure(.trailingBytes) }
    return value
  }

  private func failure(_ reason: JSONError.Reason) -> JSONError {
    JSONError(reason: reason, offset: offset)
  }

  private func peek() throws(JSONError) -> UInt8 {
    guard offset < text.count else { throw failure(.unexpectedEnd) }
    return text[offset]
  }

  private mutating func skipWhiteSpace() {
    while offset < text.count {
      switch text[offset] {
      case 0x20, 0x09, 0x0A, 0x0D: offset += 1
      default: return
      }
    }
  }

  private mutating func expect(_ byte: UInt8) throws(JSONError) {
    let found = try peek()
    guard found == byte else { throw failure(.unexpectedByte(found)) }
    offset += 1
  }

  private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
    guard depth < depthLimit else { throw failure(.tooDeep(limit: depthLimit)) }
    let byte = try peek()
    switch byte {
    case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
    case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
    default: throw failure(.unexpectedByte(byte))
    }
  }

  private mutating func parseWord(
    _ word: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    for byte in "\(word)".utf8 { try expect(byte) }
    return value
  }

  private mutating func parseArray(depth: Int) throws(JSONError) -> [JSONValue] {
    offset += 1
    var elements: [JSONValue] = []
    skipWhiteSpace()
    if try peek() == UInt8(ascii: "]") {
      offset += 1
      return elements
    }
    while true {
      skipWhiteSpace()
      elements.append(try parseValue(depth: depth + 1))
      if try endOfList(UInt8(ascii: "]")) { return elements }
    }
  }

  private mutating func parseObject(depth: Int) throws(JSONError) -> JSONObject {
    offset += 1
    var object = JSONObject()
    skipWhiteSpace()
    if try peek() == UInt8(ascii: "}") {
      offset += 1
      return object
    }
    while true {
      skipWhiteSpace()
      let keyOffset = offset
      let key = try parseString()
      guard object.position(of: key) == nil else {
        throw JSONError(reason: .duplicateKey(key), offset: keyOffset)
      }
      skipWhiteSpace()
      try expect(UInt8(ascii: ":"))
      skipWhiteSpace()
      object.append(key, try parseValue(depth: depth + 1))
      if try endOfList(UInt8(ascii: "}")) { return object }
    }
  }

  /// After an element: consumes the comma (false) or the closing bracket (true).
  private mutating func endOfList(_ closing: UInt8) throws(JSONError) -> Bool {
    skipWhiteSpace()
    let byte = try peek()
    guard byte == closing || byte == UInt8(ascii: ",") else {
      throw failure(.unexpectedByte(byte))
    }
    offset += 1
    return byte == closing
  }
}

// MARK: - Numbers

extension JSONParser {
  private mutating func parseNumber() throws(JSONError) -> JSONValue {
    let start = offset
    var isInteger = true
    if text[offset] == UInt8(ascii: "-") { offset += 1 }
    let leading = offset
    try skipDigits()
    if text[leading] == UInt8(ascii: "0") && offset - leading > 1 { throw failure(.badNumber) }
    if offset < text.count, text[offset] == UInt8(ascii: ".") {
      isInteger = false
      offset += 1
      try skipDigits()
    }
    if offset < text.count, text[offset] | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      offset += 1
      if offset < text.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(text[offset]) {
        offset += 1
      }
      try skipDigits()
    }
    let digits = String(decoding: text[start..<offset], as: UTF8.self)
    if isInteger, let integer = Int(digits) { return .integer(integer) }
    guard let double = Double(digits), double.isFinite else { throw failure(.numberOutOfRange) }
    return .double(double)
  }

  /// One or more decimal digits.
  private mutating func skipDigits() throws(JSONError) {
    let start = offset
    while offset < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[offset]) {
      offset += 1
    }
    guard offset > start else { throw failure(.badNumber) }
  }
}

// MARK: - Strings

extension JSONParser {
  private mutating func parseString() throws(JSONError) -> String {
    try expect(UInt8(ascii: "\""))
    let start = offset
    while true {
      let byte = try peek()
      if byte == UInt8(ascii: "\"") {
        guard let plain = String(validating: text[start..<offset], as: UTF8.self) else {
          throw failure(.badUnicode)
        }
        offset += 1
        return plain
      }
      if byte == UInt8(ascii: "\\") { return try parseEscapedString(from: start) }
      guard byte >= 0x20 else { throw failure(.controlCharacter) }
      offset += 1
    }
  }

  /// The slower path of a string that holds an escape; what lies before it starts at `start`.
  private mutating func parseEscapedString(from start: Int) throws(JSONError) -> String {
    var bytes = Array(text[start..<offset])
    while true {
      let byte = try peek()
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: bytes, as: UTF8.self) else {
          throw failure(.badUnicode)
        }
        offset += 1
        return string
      case UInt8(ascii: "\\"):
        offset += 1
        bytes.append(contentsOf: String(Character(try parseEscape())).utf8)
      case 0..<0x20:
        throw failure(.controlCharacter)
      default:
        bytes.append(byte)
        offset += 1
      }
    }
  }

  private mutating func parseEscape() throws(JSONError) -> Unicode.Scalar {
    let byte = try peek()
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try parseUnicodeEscape()
    default: throw failure(.badEscape)
    }
  }

  /// The four digits after `\u`, and a second escape when they are a high surrogate.
  private mutating func parseUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
    let first = try parseFourHexDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard (0xD800..<0xDC00).contains(first) else { throw failure(.badUnicode) }
    try expect(UInt8(ascii: "\\"))
    try expect(UInt8(ascii: "u"))
    let second = try parseFourHexDigits()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw failure(.badUnicode) }
    return scalar
  }

  private mutating func parseFourHexDigits() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      let byte = try peek()
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw failure(.badEscape)
      }
      value = value << 4 | UInt32(digit)
      offset += 1
    }
    return value
  }
}
