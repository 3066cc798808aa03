// The vocabulary of a GGUF file as what it was made from: a byte-level tokenizer.json. Converters
// keep the tokens, their kinds and the merges, and put a name in the place of the pre-tokenizer.

import JSON

/// The members of `tokenizer.ggml` in a GGUF file's metadata.
public struct GGUFVocabulary: Sendable {
  /// `model`; only "gpt2", byte-level byte pair encoding, can be used.
  public var model: String
  /// `pre`: names the pre-tokenizer.
  public var preTokenizer: String?
  /// `tokens`: the content of each id.
  public var tokens: [String]
  /// `token_type`, one for each token; nil when all are of the model's own.
  public var tokenTypes: [Int]?
  /// `merges`: "left right", the first to be made first.
  public var merges: [String]
  /// `bos_token_id` and `eos_token_id`.
  public var beginToken: Int?
  public var endToken: Int?
  /// `add_bos_token` and `add_eos_token`: whether they are put around a text.
  public var addsBeginToken: Bool?
  public var addsEndToken: Bool?
  /// `tokenizer.chat_template`.
  public var chatTemplate: String?

  /// The required members.
  public init(model: String, tokens: [String], merges: [String]) {
    self.model = model
    self.tokens = tokens
    self.merges = merges
  }
}

extension GGUFVocabulary {
  /// The kinds of tokens.
  private enum Kind: Int {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    /// Fills the ids up to the size of the embedding.
    case unused = 5
    /// Of vocabularies that are not byte-level.
    case byte = 6
  }

  /// The contents of tokenizer.json. Added tokens are part of the model's vocabulary here: that is
  /// where they get their ids from.
  func file() throws(TextError) -> JSONValue {
    guard model == "gpt2" else {
      throw .unsupported(path: "tokenizer.ggml.model", what: "\"\(model.prefix(100))\"")
    }
    guard tokens.count <= TextLimits.tokens else {
      throw .tooLarge(path: "tokenizer.ggml.tokens", limit: TextLimits.tokens)
    }
    if let tokenTypes, tokenTypes.count != tokens.count {
      throw .invalid(
        path: "tokenizer.ggml.token_type", expected: "as many as tokens (\(tokens.count))")
    }
    var vocabulary = JSONObject()
    var added: [JSONValue] = []
    for (id, content) in tokens.enumerated() {
      let kind = try kind(of: id)
      if kind == .unused { continue }
      guard vocabulary.position(of: content) == nil else {
        throw .invalid(
          path: "tokenizer.ggml.tokens[\(id)]", expected: "different from every other token")
      }
      vocabulary[content] = .integer(id)
      if kind == .normal { continue }
      let isSpecial = kind != .userDefined
      added.append([
        "id": .integer(id), "content": .string(content), "special": .bool(isSpecial),
        "normalized": .bool(!isSpecial),
      ])
    }
    return [
      "model": [
        "type": "BPE", "vocab": .object(vocabulary), "merges": .array(merges.map { .string($0) }),
        // Ranks decide in that family, and a token is a token however its merges rank.
        "ignore_merges": .bool(preTokenizer == "kimi-k2"),
      ],
      "added_tokens": .array(added), "pre_tokenizer": try steps(),
      "decoder": ["type": "ByteLevel"],
    ]
  }

  private func kind(of id: Int) throws(TextError) -> Kind {
    // Files without kinds still say which tokens begin and end a text.
    guard let tokenTypes else { return id == beginToken || id == endToken ? .control : .normal }
    guard let kind = Kind(rawValue: tokenTypes[id]), kind != .byte else {
      throw .unsupported(
        path: "tokenizer.ggml.token_type[\(id)]", what: "the type \(tokenTypes[id])")
    }
    return kind
  }

  private func steps() throws(TextError) -> JSONValue {
    let name = preTokenizer ?? "default"
    guard let patterns = GGUFPreTokenizers.patterns[name] else {
      throw .unsupported(path: "tokenizer.ggml.pre", what: "\"\(name.prefix(100))\"")
    }
    let splits = patterns.map { pattern -> JSONValue in
      ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated"]
    }
    let bytes: JSONValue = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false]
    return ["type": "Sequence", "pretokenizers": .array(splits + [bytes])]
  }

  /// The contents of tokenizer_config.json.
  func configuration() throws(TextError) -> JSONValue {
    var configuration = JSONObject()
    configuration["bos_token"] = try content(of: beginToken, "bos").map { .string($0) }
    configuration["eos_token"] = try content(of: endToken, "eos").map { .string($0) }
    configuration["add_bos_token"] = addsBeginToken.map { .bool($0) }
    configuration["add_eos_token"] = addsEndToken.map { .bool($0) }
    return .object(configuration)
  }

  private func content(of id: Int?, _ name: String) throws(TextError) -> String? {
    guard let id else { return nil }
    guard tokens.indices.contains(id) else {
      throw .invalid(path: "tokenizer.ggml.\(name)_token_id", expected: "a token, is \(id)")
    }
    return tokens[id]
  }
}

extension Tokenizer {
  /// The tokenizer of a GGUF file.
  public convenience init(_ vocabulary: GGUFVocabulary) throws(TextError) {
    do throws(TextError) {
      try self.init(
        file: try FieldReader(try vocabulary.file(), path: ""),
        configuration: try FieldReader(try vocabulary.configuration(), path: ""),
        chatTemplate: vocabulary.chatTemplate)
    } catch {
      throw error.inWordsOfGGUF
    }
  }
}

extension TextError {
  /// The same about the key that the file has in the place of tokenizer.json's.
  fileprivate var inWordsOfGGUF: TextError {
    func name(_ path: String) -> String {
      for (own, key) in [
        ("model.merges", "merges"), ("model.vocab", "tokens"), ("added_tokens", "tokens"),
      ] where path.hasPrefix(own) {
        return "tokenizer.ggml.\(key)\(path.dropFirst(own.count))"
      }
      return path
    }
    switch self {
    case .invalid(let path, let expected): return .invalid(path: name(path), expected: expected)
    case .unsupported(let path, let what): return .unsupported(path: name(path), what: what)
    case .tooLarge(let path, let limit): return .tooLarge(path: name(path), limit: limit)
    case .malformed, .pattern, .message: return self
    }
  }
}
