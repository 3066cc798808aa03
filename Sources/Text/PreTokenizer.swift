// The `pre_tokenizer` of a tokenizer file: cuts normalized text into the pieces that the model sees
// one by one. Each step follows the file of that name under tokenizers/src/pre_tokenizers of
// Hugging Face `tokenizers`.

import JSON

/// Text (UTF-8) and the parts of it that count, in order and none empty.
struct Pieces {
  var text: [UInt8]
  var ranges: [Range<Int>]

  init(_ text: [UInt8]) {
    self.text = text
    ranges = text.isEmpty ? [] : [0..<text.count]
  }

  /// Writes the text anew, piece by piece.
  mutating func rewrite(_ body: (_ piece: ArraySlice<UInt8>, _ output: inout [UInt8]) -> Void) {
    var output: [UInt8] = []
    output.reserveCapacity(text.count + text.count / 2)
    for (index, range) in ranges.enumerated() {
      let start = output.count
      body(text[range], &output)
      ranges[index] = start..<output.count
    }
    ranges.removeAll { $0.isEmpty }
    text = output
  }
}

/// What becomes of the matches of a pattern.
enum SplitBehavior: String {
  case isolated = "Isolated"
  case removed = "Removed"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"

  init(_ reader: FieldReader, default fallback: SplitBehavior? = nil) throws(TextError) {
    if let fallback, reader["behavior"] == nil {
      self = fallback
      return
    }
    let name = try reader.requiredString("behavior")
    guard let behavior = SplitBehavior(rawValue: name) else {
      throw reader.unsupported("the behavior \"\(name)\"")
    }
    self = behavior
  }

  /// The pieces of matches and gaps that together cover a text in order.
  func pieces(_ parts: [(range: Range<Int>, isMatch: Bool)]) -> [Range<Int>] {
    switch self {
    case .isolated: return parts.map(\.range)
    case .removed: return parts.filter { !$0.isMatch }.map(\.range)
    case .mergedWithNext:
      var pieces: [Range<Int>] = []
      var wasMatch = false
      for (range, isMatch) in parts.reversed() {
        if isMatch, !wasMatch, let last = pieces.last {
          pieces[pieces.count - 1] = range.lowerBound..<last.upperBound
        } else {
          pieces.append(range)
        }
        wasMatch = isMatch
      }
      return pieces.reversed()
    case .mergedWithPrevious, .contiguous:
      var pieces: [Range<Int>] = []
      var wasMatch = false
      for (range, isMatch) in parts {
        let joins = self == .contiguous ? isMatch == wasMatch : isMatch && !wasMatch
        if joins, let last = pieces.last {
          pieces[pieces.count - 1] = last.lowerBound..<range.upperBound
        } else {
          pieces.append(range)
        }
        wasMatch = isMatch
      }
      return pieces
    }
  }
}

/// The steps of a pre-tokenizer in order; empty when there is none.
struct PreTokenizer: Sendable {
  private enum PrependScheme: String {
    case always, first, never
  }

  private enum Step: Sendable {
    case split(Regex, SplitBehavior, inverted: Bool)
    case prefixSpace
    case byteLevel
    case metaspace([UInt8], PrependScheme)
  }

  private var steps: [Step] = []

  init(_ reader: FieldReader?) throws(TextError) {
    guard let reader else { return }
    try append(reader)
  }

  /// GPT-2's split.
  private static let wordPattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// `\w+|[^\w\s]+` as Rust's regex crate reads it, which counts the two joiners to `\w`.
  private static let wordOrSymbolPattern =
    #"[\w\x{200c}\x{200d}]+|[^\w\x{200c}\x{200d}\s]+"#

  private mutating func append(_ reader: FieldReader) throws(TextError) {
    let type = try reader.typeOfStep(after: steps.count)
    switch type {
    case "Sequence":
      for element in try reader.elements("pretokenizers") { try append(element) }
    case "Split":
      let behavior = try SplitBehavior(reader)
      let inverted = try reader.bool("invert", default: false)
      steps.append(.split(try reader.pattern(), behavior, inverted: inverted))
    case "ByteLevel":
      if try reader.bool("add_prefix_space", default: true) { steps.append(.prefixSpace) }
      if try reader.bool("use_regex", default: true) {
        try appendSplit(Self.wordPattern, .isolated, reader)
      }
      steps.append(.byteLevel)
    case "Digits":
      let single = try reader.bool("individual_digits", default: false)
      try appendSplit(#"\p{N}"#, single ? .isolated : .contiguous, reader)
    case "Whitespace": try appendSplit(Self.wordOrSymbolPattern, .removed, reader, inverted: true)
    case "WhitespaceSplit": try appendSplit(#"\s"#, .removed, reader)
    case "Punctuation":
      let behavior = try SplitBehavior(reader, default: .isolated)
      try appendSplit(#"[\p{P}$+<=>^`|~]"#, behavior, reader)
    case "Metaspace": try appendMetaspace(reader)
    default: throw reader.unsupported("the pre-tokenizer \"\(type)\"")
    }
  }

  private mutating func appendSplit(
    _ pattern: String, _ behavior: SplitBehavior, _ reader: FieldReader, inverted: Bool = false
  ) throws(TextError) {
    let regex = try reader.regex { () throws(RegexError) in try Regex(oniguruma: pattern) }
    steps.append(.split(regex, behavior, inverted: inverted))
  }

  private mutating func appendMetaspace(_ reader: FieldReader) throws(TextError) {
    let replacement = String(Character(try reader.scalar("replacement")))
    let name = try reader.string("prepend_scheme") ?? "always"
    guard var scheme = PrependScheme(rawValue: name) else {
      throw reader.unsupported("the prepend_scheme \"\(name)\"")
    }
    if try !reader.bool("add_prefix_space", default: true) { scheme = .never }
    steps.append(.metaspace(Array(replacement.utf8), scheme))
    if try reader.bool("split", default: true) {
      let regex = try reader.regex { () throws(RegexError) in try Regex(literal: replacement) }
      steps.append(.split(regex, .mergedWithNext, inverted: false))
    }
  }

  /// Cuts `text`. `isStart`: the text begins where the whole input begins.
  func split(_ text: [UInt8], isStart: Bool, matcher: borrowing RegexMatcher) -> Pieces {
    var pieces = Pieces(text)
    for step in steps {
      switch step {
      case .split(let regex, let behavior, let inverted):
        pieces.ranges = Self.split(pieces, by: regex, behavior, inverted, matcher)
      case .prefixSpace:
        pieces.rewrite { piece, output in
          if piece.first != UInt8(ascii: " ") { output.append(UInt8(ascii: " ")) }
          output.append(contentsOf: piece)
        }
      case .byteLevel: pieces.rewrite { ByteAlphabet.encode($0, to: &$1) }
      case .metaspace(let replacement, let scheme):
        pieces.rewrite { piece, output in
          let isFirst = isStart && piece.startIndex == 0
          let leads = piece.first == UInt8(ascii: " ") || piece.starts(with: replacement)
          if !leads, scheme == .always || scheme == .first && isFirst {
            output.append(contentsOf: replacement)
          }
          for byte in piece {
            if byte == UInt8(ascii: " ") {
              output.append(contentsOf: replacement)
            } else {
              output.append(byte)
            }
          }
        }
      }
    }
    return pieces
  }

  private static func split(
    _ pieces: Pieces, by regex: Regex, _ behavior: SplitBehavior, _ inverted: Bool,
    _ matcher: borrowing RegexMatcher
  ) -> [Range<Int>] {
    var result: [Range<Int>] = []
    result.reserveCapacity(pieces.ranges.count)
    var parts: [(range: Range<Int>, isMatch: Bool)] = []
    for range in pieces.ranges {
      parts.removeAll(keepingCapacity: true)
      var end = range.lowerBound
      matcher.forEachMatch(of: regex, in: pieces.text, range) { match in
        if end < match.lowerBound { parts.append((end..<match.lowerBound, inverted)) }
        parts.append((match, !inverted))
        end = match.upperBound
      }
      if end < range.upperBound { parts.append((end..<range.upperBound, inverted)) }
      if behavior == .isolated {
        for part in parts where !part.range.isEmpty { result.append(part.range) }
      } else {
        result.append(contentsOf: behavior.pieces(parts).filter { !$0.isEmpty })
      }
    }
    return result
  }
}
