// Source text without its comments and literals: what the rules about code look at.

/// Swift or C source in which every character of a comment or of a string literal has become a
/// space. Lines stay where they are. Interpolations count as part of their string.
struct CodeText {
  private(set) var characters: [Character]
  private var position = 0

  init(_ source: String) {
    characters = Array(source)
    while position < characters.count { advance() }
  }

  private func starts(with text: String, at offset: Int = 0) -> Bool {
    characters[min(position + offset, characters.count)...].starts(with: text)
  }

  /// Blanks one character and steps over it.
  private mutating func blank(_ count: Int = 1) {
    for _ in 0..<count where position < characters.count {
      if !characters[position].isNewline { characters[position] = " " }
      position += 1
    }
  }

  private mutating func advance() {
    if starts(with: "//") {
      while position < characters.count, !characters[position].isNewline { blank() }
    } else if starts(with: "/*") {
      blankBlockComment()
    } else if starts(with: "\"") || isRawString {
      blankString()
    } else if starts(with: "'") {
      blankCharacter()
    } else {
      position += 1
    }
  }

  private mutating func blankBlockComment() {
    var depth = 0
    repeat {
      if starts(with: "/*") {
        depth += 1
        blank(2)
      } else if starts(with: "*/") {
        depth -= 1
        blank(2)
      } else {
        blank()
      }
    } while depth > 0 && position < characters.count
  }

  /// Number signs at the current position.
  private var signCount: Int { characters[position...].prefix { $0 == "#" }.count }

  private var isRawString: Bool {
    characters[position] == "#" && starts(with: "\"", at: signCount)
  }

  private mutating func blankString() {
    let signs = String(repeating: "#", count: signCount)
    let quote = starts(with: "\"\"\"", at: signs.count) ? "\"\"\"" : "\""
    blank(signs.count + quote.count)
    while position < characters.count {
      if starts(with: quote + signs) { return blank(quote.count + signs.count) }
      if starts(with: "\\" + signs + "(") {
        blank(signs.count + 2)
        blankInterpolation()
      } else if starts(with: "\\" + signs) {
        blank(signs.count + 2)
      } else if quote.count == 1, characters[position].isNewline {
        return
      } else {
        blank()
      }
    }
  }

  /// Behind the opening parenthesis, up to the one that closes it.
  private mutating func blankInterpolation() {
    var depth = 1
    while depth > 0, position < characters.count {
      if starts(with: "\"") || isRawString {
        blankString()
      } else {
        if characters[position] == "(" { depth += 1 }
        if characters[position] == ")" { depth -= 1 }
        blank()
      }
    }
  }

  /// A C character constant; an apostrophe on its own is left alone.
  private mutating func blankCharacter() {
    let length = starts(with: "\\", at: 1) ? 4 : 3
    if starts(with: "'", at: length - 1) { blank(length) } else { position += 1 }
  }

  /// The lines, as far as they are code.
  var lines: [Substring] {
    String(characters).split(separator: "\n", omittingEmptySubsequences: false)
  }
}

extension StringProtocol {
  /// The identifiers and keywords of code, each with the character in front of it.
  var words: [(before: Character?, word: SubSequence)] {
    var words: [(before: Character?, word: SubSequence)] = []
    var start: Index?
    var previous: Character?
    var before: Character?
    for index in indices {
      let character = self[index]
      if character.isLetter || character.isNumber || character == "_" {
        if start == nil { (start, before) = (index, previous) }
      } else if let begin = start {
        words.append((before, self[begin..<index]))
        start = nil
      }
      previous = character
    }
    if let start { words.append((before, self[start...])) }
    return words
  }
}
