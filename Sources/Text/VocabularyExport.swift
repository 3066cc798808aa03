// A tokenizer as GGUF files hold it (github.com/ggml-org/ggml, docs/gguf.md, "tokenizer.ggml"):
// every token's spelling and kind, the merges, and the name of the pre-tokenizer, which stands for
// the patterns that cut a text. What the names cannot say is refused.

import JSON

/// The kinds of tokens (`enum llama_token_type`).
public enum ExportedTokenKind: Int32, Sendable {
  case normal = 1
  case control = 3
  case userDefined = 4
  case unused = 5
}

/// The vocabulary of a model's files, ready to be written.
public struct VocabularyExport: Sendable {
  /// The name of the pre-tokenizer: "deepseek-v3", "deepseek-llm", "deepseek-coder" or "gpt-2".
  public let preTokenizer: String
  /// As many as the model has; ids that no text becomes are "[PAD" and their number.
  public private(set) var tokens: [String] = []
  public private(set) var kinds: [ExportedTokenKind] = []
  /// Two spellings with a space between, in order of their rank.
  public let merges: [String]
  public let beginToken: Int32?
  public let endToken: Int32?
  public let paddingToken: Int32?
  /// Whether the tokens are put around every text.
  public let addsBeginToken: Bool
  public let addsEndToken: Bool
  public let chatTemplate: String?

  /// Reads tokenizer.json, and if present tokenizer_config.json and chat_template.jinja.
  /// - Parameters:
  ///   - vocabularySize: tokens that the model knows, at least as many as the tokenizer has.
  ///   - begin, end: what the model's configuration says for want of a tokenizer_config.json.
  public init(
    tokenizer bytes: [UInt8], configuration: [UInt8]?, chatTemplate: [UInt8]?,
    vocabularySize: Int, begin: Int32?, end: Int32?
  ) throws(TextError) {
    let tokenizer = try Tokenizer(
      tokenizer: bytes, configuration: configuration, chatTemplate: chatTemplate)
    guard tokenizer.vocabularySize <= vocabularySize else {
      throw .invalid(
        path: "model.vocab", expected: "below the model's vocabulary of \(vocabularySize) tokens")
    }
    let file = try Tokenizer.parse(bytes, file: "tokenizer.json")
    try Self.requirePlain(file)
    preTokenizer = try PreTokenizerName.recognise(file)
    merges = try Self.merges(file)
    let added = try Self.addedTokens(file, tokenizer)
    for id in 0..<Int32(vocabularySize) {
      guard let spelling = tokenizer.spelling(of: id) else {
        tokens.append("[PAD\(id)]")
        kinds.append(.unused)
        continue
      }
      tokens.append(spelling)
      kinds.append(Self.kind(id, spelling, isAdded: added.contains(id), tokenizer))
    }
    beginToken = tokenizer.beginToken ?? begin
    endToken = tokenizer.endToken ?? end
    paddingToken = try configuration.flatMap { (bytes) throws(TextError) in
      try Self.padding(bytes, tokenizer)
    }
    let around = tokenizer.encode("", addSpecialTokens: true)
    addsBeginToken = around.first != nil && around.first == beginToken
    addsEndToken = around.count > (addsBeginToken ? 1 : 0) && around.last == endToken
    guard around.count == (addsBeginToken ? 1 : 0) + (addsEndToken ? 1 : 0) else {
      throw .unsupported(path: "post_processor", what: "anything but one token at either end")
    }
    self.chatTemplate = tokenizer.chatTemplate
  }

  /// Options that readers of GGUF files do not have.
  private static func requirePlain(_ file: FieldReader) throws(TextError) {
    if let normalizer = try file.reader("normalizer") {
      guard try normalizer.type() == "Sequence", try normalizer.array("normalizers").isEmpty else {
        throw normalizer.unsupported("a normalizer in a GGUF file")
      }
    }
    guard let model = try file.reader("model") else { throw file.invalid("model", "an object") }
    for option in ["byte_fallback", "ignore_merges"] where try model.bool(option, default: false) {
      throw model.unsupported("\(option) in a GGUF file")
    }
    for option in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard (try model.string(option) ?? "").isEmpty else {
        throw model.unsupported("\(option) in a GGUF file")
      }
    }
  }

  private static func merges(_ file: FieldReader) throws(TextError) -> [String] {
    guard let model = try file.reader("model") else { throw file.invalid("model", "an object") }
    var merges: [String] = []
    for (rank, entry) in try model.array("merges").enumerated() {
      let merge =
        entry.stringValue
        ?? entry.arrayValue?.compactMap(\.stringValue).joined(separator: " ") ?? ""
      guard merge.utf8.count(where: { $0 == UInt8(ascii: " ") }) == 1 else {
        throw model.unsupported("a space in a token (merges[\(rank)]) in a GGUF file")
      }
      merges.append(merge)
    }
    return merges
  }

  private static func addedTokens(
    _ file: FieldReader, _ tokenizer: Tokenizer
  ) throws(TextError) -> Set<Int32> {
    guard file["added_tokens"] != nil else { return [] }
    var ids: Set<Int32> = []
    for entry in try file.array("added_tokens") {
      if let id = entry["content"]?.stringValue.flatMap({ tokenizer.token(for: $0) }) {
        ids.insert(id)
      }
    }
    return ids
  }

  /// Readers find tokens of both added kinds in a text, but do not show control tokens; some
  /// tokenizers do not mark theirs as special.
  private static func kind(
    _ id: Int32, _ spelling: String, isAdded: Bool, _ tokenizer: Tokenizer
  ) -> ExportedTokenKind {
    guard isAdded else { return .normal }
    let looksSpecial = [("<|", "|>"), ("<｜", "｜>")].contains {
      spelling.hasPrefix($0) && spelling.hasSuffix($1)
    }
    return tokenizer.isSpecial(id) || looksSpecial ? .control : .userDefined
  }

  private static func padding(
    _ configuration: [UInt8], _ tokenizer: Tokenizer
  ) throws(TextError) -> Int32? {
    let value = try Tokenizer.parse(configuration, file: "tokenizer_config.json")["pad_token"]
    let content = value?.stringValue ?? value?["content"]?.stringValue
    return content.flatMap { tokenizer.token(for: $0) }
  }
}
