// All added tokens of a tokenizer file and the numbers they get. Follows added_vocabulary.rs of
// Hugging Face `tokenizers`: a token that the model knows keeps the model's id, any other gets the
// next free one, whatever id the file states.

import JSON

struct AddedVocabulary: Sendable {
  private var tokens: [Int32: AddedToken] = [:]
  private var ids: [[UInt8]: Int32] = [:]
  /// Normalized contents where they differ: what such a token is decoded as.
  private var normalizedContents: [Int32: [UInt8]] = [:]
  private var specials: Set<Int32> = []
  /// Searched for in the text as it comes, and in the normalized text.
  private(set) var plain = AddedTokenSplitter()
  private(set) var normalized = AddedTokenSplitter()
  /// One more than the largest id, 0 without tokens.
  private(set) var idLimit = 0

  init(_ file: FieldReader, model: BytePairModel, normalizer: Normalizer) throws(TextError) {
    guard file["added_tokens"] != nil else { return }
    let entries = try file.array("added_tokens")
    guard entries.count <= TextLimits.tokens else {
      throw .tooLarge(path: "added_tokens", limit: TextLimits.tokens)
    }
    var nextID = model.vocabulary.count
    var specialContents: Set<[UInt8]> = []
    for (index, entry) in entries.enumerated() {
      let reader = try FieldReader(entry, path: "added_tokens[\(index)]")
      _ = try reader.integer("id", in: 0..<TextLimits.tokens)
      let token = try AddedToken(reader)
      guard !token.content.isEmpty else { continue }
      let content = Array(token.content.utf8)
      let id: Int32
      if let known = ids[content] ?? model.vocabulary.id(of: content) {
        id = known
      } else {
        guard nextID < TextLimits.tokens, !model.vocabulary.contains(Int32(nextID)) else {
          throw reader.invalid("id", "free: the vocabulary has gaps in its ids")
        }
        id = Int32(nextID)
        nextID += 1
      }
      ids[content] = id
      tokens[id] = token
      idLimit = max(idLimit, Int(id) + 1)
      if token.special { specialContents.insert(content) }
    }
    let matcher = RegexMatcher()
    for (id, token) in tokens.sorted(by: { $0.key < $1.key }) {
      let content = Array(token.content.utf8)
      guard token.normalized else {
        plain.insert(token, id: id, pattern: content)
        continue
      }
      let pattern = normalizer.normalize(content, matcher: matcher)
      if pattern != content { normalizedContents[id] = pattern }
      normalized.insert(token, id: id, pattern: pattern)
    }
    // The original asks by content, in the form that decoding starts from.
    specials = Set(tokens.keys.filter { specialContents.contains(decodedContent($0) ?? []) })
  }

  func id(of content: String) -> Int32? { ids[Array(content.utf8)] }

  /// The content that decoding starts from; nil when `id` is no added token.
  func decodedContent(_ id: Int32) -> [UInt8]? {
    normalizedContents[id] ?? tokens[id].map { Array($0.content.utf8) }
  }

  func isSpecial(_ id: Int32) -> Bool { specials.contains(id) }
}
