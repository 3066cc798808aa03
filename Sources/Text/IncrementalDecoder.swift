// Tokens to text one at a time. Only whole characters come out, and all that comes out, joined, is
// exactly what Hugging Face `tokenizers` decodes from all tokens at once: Tokenizer.decode is this
// type fed to the end.

/// Turns a stream of tokens into text.
public struct IncrementalDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  private var isFirst = true
  /// Bytes that are not yet whole characters; with byte fallback the current run of byte tokens.
  private var pending: [UInt8] = []
  /// How often the leading character may still be dropped.
  private var leadingStrips: Int

  /// - Parameter skipSpecialTokens: special tokens contribute no text.
  public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    skipsSpecialTokens = skipSpecialTokens
    leadingStrips = tokenizer.decoder.leadingStrip?.count ?? 0
  }

  /// The text that `token` completes. An id without a token adds nothing.
  public mutating func append(_ token: Int32) -> String {
    guard let text = tokenizer.text(of: token, isFirst: isFirst),
      !(skipsSpecialTokens && tokenizer.isSpecial(token))
    else { return "" }
    defer { isFirst = false }
    switch tokenizer.decoder.joining {
    case .text(let separator):
      return stripped((isFirst ? "" : separator) + String(decoding: text, as: UTF8.self))
    case .byteFallback:
      if let byte = tokenizer.decoder.byte(text) {
        pending.append(byte)
        return ""
      }
      return stripped(flushRun() + String(decoding: text, as: UTF8.self))
    case .bytes:
      pending.append(contentsOf: text)
      let whole = pending.count - UTF8Scan.incompleteSuffix(of: pending)
      let output = String(decoding: pending[..<whole], as: UTF8.self)
      pending.removeFirst(whole)
      return stripped(output)
    }
  }

  /// What is left at the end of the text; an unfinished character is U+FFFD.
  public mutating func finish() -> String {
    defer { pending.removeAll() }
    switch tokenizer.decoder.joining {
    case .text: return ""
    case .byteFallback: return stripped(flushRun())
    case .bytes: return stripped(String(decoding: pending, as: UTF8.self))
    }
  }

  private mutating func flushRun() -> String {
    defer { pending.removeAll() }
    return String(validating: pending, as: UTF8.self)
      ?? String(repeating: "\u{FFFD}", count: pending.count)
  }

  private mutating func stripped(_ text: String) -> String {
    guard leadingStrips > 0, !text.isEmpty, let strip = tokenizer.decoder.leadingStrip else {
      return text
    }
    var scalars = Substring(text).unicodeScalars
    while leadingStrips > 0, scalars.first == strip.scalar {
      scalars.removeFirst()
      leadingStrips -= 1
    }
    if !scalars.isEmpty { leadingStrips = 0 }
    return String(scalars)
  }
}
