// Source text without its comments and literals: what the rules about code look at.

/// Swift or C source in which every byte of a comment or of a string literal has become a space.
/// Lines stay where they are. Interpolations count as part of their string.
struct CodeText {
  private(set) var bytes: [UInt8]
  private var position = 0

  init(_ source: String) {
    bytes = Array(source.utf8)
    while position < bytes.count { advance() }
  }

  private func starts(with text: StaticString, at offset: Int = 0) -> Bool {
    text.description.utf8.enumerated().allSatisfy { byte(at: offset + $0) == $1 }
  }

  private func byte(at offset: Int) -> UInt8? {
    position + offset < bytes.count ? bytes[position + offset] : nil
  }

  private var isAtLineEnd: Bool { bytes[position] == UInt8(ascii: "\n") }

  /// Blanks some bytes and steps over them.
  private mutating func blank(_ count: Int = 1) {
    for _ in 0..<count where position < bytes.count {
      if !isAtLineEnd { bytes[position] = UInt8(ascii: " ") }
      position += 1
    }
  }

  private mutating func advance() {
    switch bytes[position] {
    case UInt8(ascii: "/") where starts(with: "//"):
      while position < bytes.count, !isAtLineEnd { blank() }
    case UInt8(ascii: "/") where starts(with: "/*"): blankBlockComment()
    case UInt8(ascii: "\""): blankString()
    case UInt8(ascii: "#") where isRawString: blankString()
    case UInt8(ascii: "'"): blankCharacter()
    default: position += 1
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
    } while depth > 0 && position < bytes.count
  }

  /// Number signs from `offset` on.
  private func signs(at offset: Int) -> Int {
    var count = 0
    while byte(at: offset + count) == UInt8(ascii: "#") { count += 1 }
    return count
  }

  private var isRawString: Bool { byte(at: signs(at: 0)) == UInt8(ascii: "\"") }

  private mutating func blankString() {
    let signs = signs(at: 0)
    let isLong = starts(with: "\"\"\"", at: signs)
    let quotes = isLong ? 3 : 1
    blank(signs + quotes)
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\"") where !isLong || starts(with: "\"\"\""):
        if self.signs(at: quotes) >= signs { return blank(quotes + signs) }
        blank()
      case UInt8(ascii: "\\") where self.signs(at: 1) >= signs:
        let isInterpolation = byte(at: 1 + signs) == UInt8(ascii: "(")
        blank(signs + 2)
        if isInterpolation { blankInterpolation() }
      case UInt8(ascii: "\n") where !isLong: return
      default: blank()
      }
    }
  }

  /// Behind the opening parenthesis, up to the one that closes it.
  private mutating func blankInterpolation() {
    var depth = 1
    while depth > 0, position < bytes.count {
      if starts(with: "\"") || starts(with: "#") && isRawString {
        blankString()
      } else {
        if starts(with: "(") { depth += 1 }
        if starts(with: ")") { depth -= 1 }
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
    String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// Whether a byte may be part of an identifier.
  static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
      true
    default: false
    }
  }
}

/// An identifier or keyword, with what surrounds it.
struct Word: Equatable {
  let text: String
  let before: UInt8?
  let after: UInt8?
}

extension Substring {
  /// The identifiers and keywords of a line.
  var words: [Word] {
    let bytes = Array(utf8)
    var words: [Word] = []
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex { !CodeText.isWord($0) } ?? bytes.count
      if end > start {
        words.append(
          Word(
            text: String(decoding: bytes[start..<end], as: UTF8.self),
            before: start > 0 ? bytes[start - 1] : nil, after: end < bytes.count ? bytes[end] : nil)
        )
      }
      start = Swift.max(end, start + 1)
    }
    return words
  }
}
