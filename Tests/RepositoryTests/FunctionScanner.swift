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

  private let characters: [Character]
  private let lineNumbers: [Int]

  init(code: CodeText, isSwift: Bool) {
    characters = code.characters
    var line = 1
    lineNumbers = characters.map { character in
      defer { if character.isNewline { line += 1 } }
      return line
    }
    functions = []
    functions = isSwift ? swiftFunctions() : cFunctions()
  }

  private(set) var functions: [Function]

  private func isWord(_ index: Int) -> Bool {
    guard characters.indices.contains(index) else { return false }
    let character = characters[index]
    return character.isLetter || character.isNumber || character == "_"
  }

  /// The word that starts here, if one does.
  private func word(at index: Int) -> String? {
    guard isWord(index), !isWord(index - 1) else { return nil }
    return String(characters[index...].prefix { $0.isLetter || $0.isNumber || $0 == "_" })
  }

  private func swiftFunctions() -> [Function] {
    let keywords: Set = ["func", "init", "deinit", "subscript"]
    return characters.indices.compactMap { index in
      guard let keyword = word(at: index), keywords.contains(keyword),
        index == 0 || characters[index - 1] != ".",
        let open = bodyStart(after: index + keyword.count), let close = end(of: open)
      else { return nil }
      let name = characters[(index + keyword.count)..<open].split { !$0.isLetter && $0 != "_" }
      return function(keyword == "func" ? String(name.first ?? []) : keyword, index, close)
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
    for index in start..<characters.count {
      switch characters[index] {
      case "(", "[": depth += 1
      case ")", "]": depth -= 1
      case "{" where depth == 0: return index
      case "}" where depth == 0: return nil
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
    for index in open..<characters.count {
      if characters[index] == "{" { depth += 1 }
      if characters[index] == "}" { depth -= 1 }
      if depth == 0 { return index }
    }
    return nil
  }

  /// In C, a brace outside all others that follows a closing parenthesis.
  private func cFunctions() -> [Function] {
    var functions: [Function] = []
    var index = 0
    var start = 0
    while index < characters.count {
      let character = characters[index]
      if character == ";" || character == "}" { start = index + 1 }
      if character == "{", let close = end(of: index) {
        let head = characters[start..<index]
        let declaration = head.firstIndex { !$0.isWhitespace } ?? index
        if head.last(where: { !$0.isWhitespace }) == ")" {
          let name = head.split(separator: "(").first?.split { !isNameCharacter($0) }.last ?? []
          functions.append(function(String(name), declaration, close))
        }
        index = close
        start = close + 1
      }
      index += 1
    }
    return functions
  }

  private func isNameCharacter(_ character: Character) -> Bool {
    character.isLetter || character.isNumber || character == "_"
  }
}
