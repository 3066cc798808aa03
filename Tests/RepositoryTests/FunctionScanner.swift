// Finds functions and their extent in code, by brackets alone.

/// The functions of a file of Swift or C.
struct FunctionScanner {
  struct Function: Equatable {
    let name: String
    /// First line of its declaration, from 1.
    let line: Int
    /// Lines from there to the closing brace.
    let lineCount: Int
  }

  private let bytes: [UInt8]
  private let lineNumbers: [Int]
  private(set) var functions: [Function] = []

  init(code: CodeText, isSwift: Bool) {
    bytes = code.bytes
    var line = 1
    lineNumbers = bytes.map { byte in
      defer { if byte == UInt8(ascii: "\n") { line += 1 } }
      return line
    }
    functions = isSwift ? swiftFunctions() : cFunctions()
  }

  /// The word that starts here, if one does.
  private func word(at index: Int) -> String? {
    guard CodeText.isWord(bytes[index]), index == 0 || !CodeText.isWord(bytes[index - 1]) else {
      return nil
    }
    return String(decoding: bytes[index...].prefix(while: CodeText.isWord), as: UTF8.self)
  }

  private func swiftFunctions() -> [Function] {
    let keywords: Set = ["func", "init", "deinit", "subscript"]
    return bytes.indices.compactMap { index in
      guard let keyword = word(at: index), keywords.contains(keyword),
        index == 0 || bytes[index - 1] != UInt8(ascii: "."),
        let open = bodyStart(after: index + keyword.utf8.count), let close = end(of: open)
      else { return nil }
      let name = bytes[(index + keyword.utf8.count)..<open].split { !CodeText.isWord($0) }.first
      return function(
        keyword == "func" ? String(decoding: name ?? [], as: UTF8.self) : keyword, index, close)
    }
  }

  private func function(_ name: String, _ first: Int, _ last: Int) -> Function {
    Function(
      name: name, line: lineNumbers[first], lineCount: lineNumbers[last] - lineNumbers[first] + 1)
  }

  /// The brace that opens the body; nil for a requirement without one.
  private func bodyStart(after start: Int) -> Int? {
    let others: Set = [
      "func", "init", "deinit", "subscript", "var", "let", "case", "associatedtype",
    ]
    var depth = 0
    for index in start..<bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: "{") where depth == 0: return index
      case UInt8(ascii: "}") where depth == 0: return nil
      default:
        if depth == 0, let word = word(at: index), others.contains(word) { return nil }
      }
      if depth < 0 { return nil }
    }
    return nil
  }

  /// The brace that closes the one at `open`.
  private func end(of open: Int) -> Int? {
    var depth = 0
    for index in open..<bytes.count {
      if bytes[index] == UInt8(ascii: "{") { depth += 1 }
      if bytes[index] == UInt8(ascii: "}") { depth -= 1 }
      if depth == 0 { return index }
    }
    return nil
  }

  /// In C, a brace outside all others that follows a closing parenthesis.
  private func cFunctions() -> [Function] {
    let blanks: Set = [UInt8(ascii: " "), UInt8(ascii: "\n")]
    var functions: [Function] = []
    var index = 0
    var start = 0
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: ";") || byte == UInt8(ascii: "}") { start = index + 1 }
      if byte == UInt8(ascii: "{"), let close = end(of: index) {
        let head = bytes[start..<index]
        if head.last(where: { !blanks.contains($0) }) == UInt8(ascii: ")") {
          let declaration = head.firstIndex { !blanks.contains($0) } ?? index
          let name = head.prefix { $0 != UInt8(ascii: "(") }.split { !CodeText.isWord($0) }.last
          functions.append(
            function(String(decoding: name ?? [], as: UTF8.self), declaration, close))
        }
        index = close
        start = close + 1
      }
      index += 1
    }
    return functions
  }
}
