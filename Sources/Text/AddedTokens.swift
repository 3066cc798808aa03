// Tokens that are found in the text before (or instead of) the model: their flags, and the search
// for them. Follows added_vocabulary.rs of Hugging Face `tokenizers`: at each place the leftmost
// match wins, of several the longest.

/// An entry of `added_tokens`.
struct AddedToken: Equatable, Sendable {
  var content: String
  /// Matches only where no word character touches it.
  var singleWord: Bool
  /// Takes the white space before or behind it along.
  var stripsLeft: Bool
  var stripsRight: Bool
  /// Is searched for in the normalized text, in its own normalized form.
  var normalized: Bool
  var special: Bool

  init(_ reader: FieldReader) throws(TextError) {
    content = try reader.requiredString("content")
    singleWord = try reader.bool("single_word", default: false)
    stripsLeft = try reader.bool("lstrip", default: false)
    stripsRight = try reader.bool("rstrip", default: false)
    special = try reader.bool("special", default: false)
    normalized = try reader.bool("normalized", default: !special)
  }
}

/// A part of a text: an added token, or text between added tokens.
struct Segment: Equatable {
  let range: Range<Int>
  let token: Int32?
}

/// A set of added tokens to split a text by.
struct AddedTokenSplitter: Sendable {
  /// Edges (node, byte) to node; node 0 is the root.
  private var edges = PairTable()
  private var firstBytes = Array(repeating: false, count: 256)
  /// The entry that ends at each node.
  private var entryAtNode: [Int32] = [-1]
  private var entries: [(id: Int32, token: AddedToken)] = []

  /// `pattern` is the text to search for: the token's content, or its normalized form.
  mutating func insert(_ token: AddedToken, id: Int32, pattern: [UInt8]) {
    guard let first = pattern.first else { return }
    firstBytes[Int(first)] = true
    var node: Int32 = 0
    for byte in pattern {
      if let child = edges[UInt32(node), UInt32(byte)] {
        node = child
      } else {
        let child = Int32(entryAtNode.count)
        entryAtNode.append(-1)
        edges[UInt32(node), UInt32(byte)] = child
        node = child
      }
    }
    entryAtNode[Int(node)] = Int32(entries.count)
    entries.append((id, token))
  }

  /// The longest token that begins at `start`: its entry and its end.
  private func match(_ text: [UInt8], at start: Int) -> (entry: Int, end: Int)? {
    var node: Int32 = 0
    var found: (Int, Int)?
    var index = start
    while index < text.count, let child = edges[UInt32(node), UInt32(text[index])] {
      node = child
      index += 1
      if entryAtNode[Int(node)] >= 0 { found = (Int(entryAtNode[Int(node)]), index) }
    }
    return found
  }

  /// Cuts `text` (UTF-8) at every added token.
  func split(_ text: [UInt8]) -> [Segment] {
    var segments: [Segment] = []
    var copied = 0
    var index = 0
    // Where white space that began at or before this place ends: overlapping scans stay linear.
    var spaceEnd = 0
    while index < text.count {
      guard firstBytes[Int(text[index])], let (entry, matchEnd) = match(text, at: index) else {
        index += 1
        continue
      }
      var start = index
      var end = matchEnd
      index = matchEnd
      let (id, token) = entries[entry]
      if token.singleWord {
        let before = Self.scalar(before: start, in: text)
        let after = Self.scalar(at: end, in: text)
        if before.map(Self.isWord) == true || after.map(Self.isWord) == true { continue }
      }
      if token.stripsLeft {
        while start > copied, let scalar = Self.scalar(before: start, in: text),
          scalar.properties.isWhitespace
        {
          start -= UTF8.width(scalar)
        }
        start = max(start, copied)
      }
      if token.stripsRight {
        spaceEnd = max(spaceEnd, end)
        while let scalar = Self.scalar(at: spaceEnd, in: text), scalar.properties.isWhitespace {
          spaceEnd += UTF8.width(scalar)
        }
        end = spaceEnd
      }
      if copied < start { segments.append(Segment(range: copied..<start, token: nil)) }
      // Nothing is left of a token whose text an earlier one has stripped.
      if start < end { segments.append(Segment(range: start..<end, token: id)) }
      copied = max(copied, end)
    }
    if copied < text.count { segments.append(Segment(range: copied..<text.count, token: nil)) }
    return segments
  }

  /// `\w` of Rust's regex crate (Unicode TR18 annex C).
  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.properties.isAlphabetic || scalar.properties.isJoinControl { return true }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return false
    }
  }

  private static func scalar(at index: Int, in text: [UInt8]) -> Unicode.Scalar? {
    guard index < text.count else { return nil }
    let width = UTF8Scan.width(ofLead: text[index])
    return UTF8Scan.scalar(in: text, index..<min(index + width, text.count))
  }

  private static func scalar(before index: Int, in text: [UInt8]) -> Unicode.Scalar? {
    guard index > 0 else { return nil }
    var start = index - 1
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    return UTF8Scan.scalar(in: text, start..<index)
  }
}
