// The `decoder` of a tokenizer file, as a plan that works token by token: first what each token
// turns into on its own, then how the stream of them becomes text. Follows tokenizers/src/decoders
// of Hugging Face `tokenizers`; chains that cannot be followed token by token are refused.

import JSON

struct Decoder: Sendable {
  /// What turns token texts into the text.
  enum Joining: Sendable {
    /// Each token is text; without a decoder a space stands between two.
    case text(separator: String)
    /// A run of byte tokens is one piece of UTF-8, or as many U+FFFD as it has bytes.
    case byteFallback
    /// All tokens are bytes of one stream.
    case bytes
  }

  private enum TokenStep: Sendable {
    case replace(Regex, [UInt8])
    case strip(Unicode.Scalar, start: Int, stop: Int)
    case metaspace(Unicode.Scalar)
  }

  private var steps: [TokenStep] = []
  private(set) var joining = Joining.text(separator: "")
  /// Set when the replacement of a Metaspace decoder is dropped from the first token.
  private(set) var droppedFromFirst: Unicode.Scalar?
  /// A character dropped from the beginning of the whole text, at most so many times.
  private(set) var leadingStrip: (scalar: Unicode.Scalar, count: Int)?
  private var isFused = false

  init(_ reader: FieldReader?) throws(TextError) {
    guard let reader else {
      joining = .text(separator: " ")
      return
    }
    try append(reader)
  }

  private mutating func append(_ reader: FieldReader) throws(TextError) {
    let type = try reader.typeOfStep(after: steps.count)
    switch type {
    case "Sequence":
      for element in try reader.elements("decoders") { try append(element) }
    case "Fuse": isFused = true
    case "Strip": try appendStrip(reader)
    case "ByteLevel", "ByteFallback", "Replace", "Metaspace":
      guard case .text = joining, !isFused else {
        throw reader.unsupported("\"\(type)\" behind Fuse, ByteLevel or ByteFallback")
      }
      switch type {
      case "ByteLevel":
        joining = .bytes
        isFused = true
      case "ByteFallback": joining = .byteFallback
      case "Replace":
        let content = Array(try reader.requiredString("content").utf8)
        steps.append(.replace(try reader.pattern(), content))
      default: try appendMetaspace(reader)
      }
    default: throw reader.unsupported("the decoder \"\(type)\"")
    }
  }

  private mutating func appendStrip(_ reader: FieldReader) throws(TextError) {
    let scalar = try reader.scalar("content")
    let start = try reader.integer("start", in: 0..<TextLimits.stringBytes)
    let stop = try reader.integer("stop", in: 0..<TextLimits.stringBytes)
    if isFused {
      guard stop == 0, leadingStrip == nil else {
        throw reader.unsupported("\"Strip\" at the end of the whole text")
      }
      leadingStrip = (scalar, start)
    } else if case .byteFallback = joining {
      throw reader.unsupported("\"Strip\" between ByteFallback and Fuse")
    } else {
      steps.append(.strip(scalar, start: start, stop: stop))
    }
  }

  private mutating func appendMetaspace(_ reader: FieldReader) throws(TextError) {
    guard steps.isEmpty else { throw reader.unsupported("\"Metaspace\" behind another decoder") }
    let scalar = try reader.scalar("replacement")
    steps.append(.metaspace(scalar))
    if try reader.string("prepend_scheme") ?? "always" != "never",
      try reader.bool("add_prefix_space", default: true)
    {
      droppedFromFirst = scalar
    }
  }

  /// What a token turns into on its own. `isFirst`: it is the first of the text.
  func text(
    of content: ArraySlice<UInt8>, isFirst: Bool, matcher: borrowing RegexMatcher
  ) -> [UInt8] {
    if case .bytes = joining, steps.isEmpty { return ByteAlphabet.decode(content) }
    var text = Array(content)
    for step in steps {
      switch step {
      case .replace(let regex, let content):
        text = Normalizer.replaceMatches(of: regex, in: text, with: content, matcher: matcher)
      case .strip(let scalar, let start, let stop):
        text = Self.strip(scalar, from: text, start: start, stop: stop)
      case .metaspace(let replacement):
        var result = String.UnicodeScalarView()
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
          guard scalar == replacement else {
            result.append(scalar)
            continue
          }
          if !(isFirst && droppedFromFirst != nil) { result.append(" ") }
        }
        text = Array(String(result).utf8)
      }
    }
    if case .bytes = joining { return ByteAlphabet.decode(text[...]) }
    return text
  }

  private static func strip(
    _ scalar: Unicode.Scalar, from text: [UInt8], start: Int, stop: Int
  ) -> [UInt8] {
    var scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
    let leading = scalars.prefix(start).prefix { $0 == scalar }.count
    scalars.removeFirst(leading)
    let trailing = scalars.suffix(stop).reversed().prefix { $0 == scalar }.count
    scalars.removeLast(trailing)
    return Array(String(String.UnicodeScalarView(scalars)).utf8)
  }

  /// The byte that a token `<0xNN>` stands for, when the plan knows byte tokens.
  func byte(_ text: ArraySlice<UInt8>) -> UInt8? {
    guard case .byteFallback = joining, text.count == 6, text.starts(with: "<0x".utf8),
      text.last == UInt8(ascii: ">")
    else { return nil }
    return UInt8(String(decoding: text.dropFirst(3).prefix(2), as: UTF8.self), radix: 16)
  }
}

/// The text of every token, laid end to end.
struct TokenTexts: Sendable {
  private var storage: [UInt8] = []
  private var ends: [Int32] = []
  private var present: [Bool] = []

  mutating func append(_ text: [UInt8]?) {
    storage.append(contentsOf: text ?? [])
    ends.append(Int32(storage.count))
    present.append(text != nil)
  }

  /// nil for an id that no token has.
  subscript(token: Int32) -> ArraySlice<UInt8>? {
    guard token >= 0, Int(token) < ends.count, present[Int(token)] else { return nil }
    let start = token == 0 ? 0 : Int(ends[Int(token) - 1])
    return storage[start..<Int(ends[Int(token)])]
  }
}
