// Text to tokens and back, from the files of a checkpoint: tokenizer.json (the format of Hugging
// Face `tokenizers`, whose results are the definition) and tokenizer_config.json (what transformers
// adds: the tokens around a text and the chat template). Immutable and free of input and output.

import JSON

/// A byte pair encoding tokenizer.
public final class Tokenizer: Sendable {
  private let model: BytePairModel
  private let normalizer: Normalizer
  private let preTokenizer: PreTokenizer
  private let postProcessor: PostProcessor
  let decoder: Decoder
  private let added: AddedVocabulary
  private let texts: TokenTexts
  /// One more than the largest token id.
  public let vocabularySize: Int
  /// The token that begins a text, when tokenizer_config.json names one of the vocabulary.
  public let beginToken: Int32?
  /// The token that ends a text, likewise.
  public let endToken: Int32?
  /// The Jinja source of the checkpoint's chat template.
  public let chatTemplate: String?

  /// Reads tokenizer.json, and if present tokenizer_config.json and chat_template.jinja. The
  /// `truncation` and `padding` of tokenizer.json do not apply, as in transformers.
  public convenience init(
    tokenizer: [UInt8], configuration: [UInt8]? = nil, chatTemplate: [UInt8]? = nil
  ) throws(TextError) {
    try self.init(
      file: try Self.parse(tokenizer, file: "tokenizer.json"),
      configuration: try configuration.map { bytes throws(TextError) in
        try Self.parse(bytes, file: "tokenizer_config.json")
      },
      chatTemplate: chatTemplate.map { String(decoding: $0, as: UTF8.self) })
  }

  /// From the contents of tokenizer.json and tokenizer_config.json.
  init(
    file: FieldReader, configuration: FieldReader?, chatTemplate: String?
  ) throws(TextError) {
    guard let modelReader = try file.reader("model") else {
      throw file.invalid("model", "an object")
    }
    model = try BytePairModel(modelReader)
    normalizer = try Normalizer(try file.reader("normalizer"))
    preTokenizer = try PreTokenizer(try file.reader("pre_tokenizer"))
    decoder = try Decoder(try file.reader("decoder"))
    added = try AddedVocabulary(file, model: model, normalizer: normalizer)
    vocabularySize = max(model.vocabulary.idLimit, added.idLimit)
    texts = Self.texts(model, added, decoder, count: vocabularySize)

    let configured = try Configuration(configuration)
    let (model, added) = (model, added)
    let id = { (content: String) in added.id(of: content) ?? model.vocabulary.id(of: content.utf8) }
    beginToken = configured.beginToken.flatMap(id)
    endToken = configured.endToken.flatMap(id)
    self.chatTemplate = chatTemplate ?? configured.chatTemplate
    let fromFile = try PostProcessor(try file.reader("post_processor"))
    postProcessor =
      try configured.postProcessor(begin: beginToken, end: endToken) ?? fromFile
  }

  static func parse(_ bytes: [UInt8], file: String) throws(TextError) -> FieldReader {
    let value: JSONValue
    do { value = try JSONValue(parsing: bytes) } catch {
      throw .malformed(file: file, reason: error.description)
    }
    return try FieldReader(value, path: "")
  }

  private static func texts(
    _ model: BytePairModel, _ added: AddedVocabulary, _ decoder: Decoder, count: Int
  ) -> TokenTexts {
    let matcher = RegexMatcher()
    var texts = TokenTexts()
    for id in 0..<Int32(count) {
      if let content = added.decodedContent(id) {
        texts.append(decoder.text(of: content[...], isFirst: false, matcher: matcher))
      } else if model.vocabulary.contains(id) {
        let content = model.vocabulary.content(id)
        texts.append(decoder.text(of: content, isFirst: false, matcher: matcher))
      } else {
        texts.append(nil)
      }
    }
    return texts
  }
}

// MARK: - Encoding

extension Tokenizer {
  /// The tokens of `text`. With `addSpecialTokens` also those that the checkpoint puts around a
  /// text: `add_bos_token` and `add_eos_token` of tokenizer_config.json where either is present,
  /// the post-processor of tokenizer.json otherwise (as transformers' TokenizersBackend does).
  /// The text of an added token is that token, wherever the text comes from.
  public func encode(_ text: String, addSpecialTokens: Bool) -> [Int32] {
    let bytes = Array(text.utf8)
    let matcher = RegexMatcher()
    var scratch = BytePairModel.Scratch()
    var tokens: [Int32] = []
    for segment in added.plain.split(bytes) {
      if let token = segment.token {
        tokens.append(token)
        continue
      }
      var part = Array(bytes[segment.range])
      if !normalizer.isIdentity { part = normalizer.normalize(part, matcher: matcher) }
      for inner in added.normalized.split(part) {
        if let token = inner.token {
          tokens.append(token)
          continue
        }
        let isStart = segment.range.lowerBound == 0 && inner.range.lowerBound == 0
        let piece = inner.range.count == part.count ? part : Array(part[inner.range])
        let pieces = preTokenizer.split(piece, isStart: isStart, matcher: matcher)
        for range in pieces.ranges {
          model.encode(pieces.text, range, scratch: &scratch, to: &tokens)
        }
      }
    }
    return addSpecialTokens ? postProcessor.process(tokens) : tokens
  }
}

// MARK: - Decoding and look-ups

extension Tokenizer {
  /// The text of `tokens`; ids without a token are passed over, bytes that are no UTF-8 are U+FFFD.
  public func decode(_ tokens: [Int32], skipSpecialTokens: Bool) -> String {
    var decoder = IncrementalDecoder(self, skipSpecialTokens: skipSpecialTokens)
    var text = ""
    for token in tokens { text += decoder.append(token) }
    return text + decoder.finish()
  }

  /// What a token contributes to decoded text.
  func text(of token: Int32, isFirst: Bool) -> ArraySlice<UInt8>? {
    guard isFirst, decoder.droppedFromFirst != nil, let content = content(token) else {
      return texts[token]
    }
    return decoder.text(of: content[...], isFirst: true, matcher: RegexMatcher())[...]
  }

  private func content(_ token: Int32) -> [UInt8]? {
    if let content = added.decodedContent(token) { return content }
    return model.vocabulary.contains(token) ? Array(model.vocabulary.content(token)) : nil
  }

  /// The bytes that a token contributes to text, which need not be whole characters.
  public func bytes(of token: Int32) -> [UInt8]? {
    guard let text = texts[token] else { return nil }
    return decoder.byte(text).map { [$0] } ?? Array(text)
  }

  /// How the vocabulary or the added tokens spell a token, as in "Ġworld".
  public func spelling(of token: Int32) -> String? {
    content(token).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The token with this content, as the vocabulary or the added tokens spell it.
  public func token(for content: String) -> Int32? {
    added.id(of: content) ?? model.vocabulary.id(of: content.utf8)
  }

  /// Whether the token is left out of decoded text when special tokens are skipped.
  public func isSpecial(_ token: Int32) -> Bool { added.isSpecial(token) }
}
