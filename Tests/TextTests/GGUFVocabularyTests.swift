// Vocabularies as GGUF files have them, made from tokenizer files the way converters make them:
// they must encode as the recorded originals do.

import JSON
import TestSupport
import Testing
import Text

private let deepSeek = "tokenizers/deepseek-v3/tokenizer.json"

/// What a converter writes for a tokenizer.json.
private func converted(_ bytes: [UInt8], _ preTokenizer: String) throws -> GGUFVocabulary {
  let file = try JSONValue(parsing: bytes)
  let model = try #require(file["model"])
  var contents: [Int: String] = [:]
  var kinds: [Int: Int] = [:]
  for (content, id) in try #require(model["vocab"]?.objectValue).members {
    contents[try #require(id.integerValue)] = content
  }
  for token in file["added_tokens"]?.arrayValue ?? [] {
    let id = try #require(token["id"]?.integerValue)
    contents[id] = token["content"]?.stringValue
    kinds[id] = token["special"] == true ? 3 : 4
  }
  // Ids up to the size of an embedding that is larger.
  let ids = 0..<((contents.keys.max() ?? 0) + 5)
  let merges = try #require(model["merges"]?.arrayValue).map { merge in
    merge.stringValue ?? (merge.arrayValue ?? []).compactMap(\.stringValue).joined(separator: " ")
  }
  var vocabulary = GGUFVocabulary(
    model: "gpt2", tokens: ids.map { contents[$0] ?? "[PAD\($0)]" }, merges: merges)
  vocabulary.preTokenizer = preTokenizer
  vocabulary.tokenTypes = ids.map { kinds[$0] ?? (contents[$0] == nil ? 5 : 1) }
  return vocabulary
}

@Suite("GGUF vocabulary")
struct GGUFVocabularyTests {
  @Test("DeepSeek-V3: every recorded line", .enabled(if: Fixture.hasShared(deepSeek)))
  func deepSeekGolden() throws {
    var vocabulary = try converted(try Fixture.sharedBytes(deepSeek), "deepseek-v3")
    (vocabulary.beginToken, vocabulary.endToken) = (0, 1)
    (vocabulary.addsBeginToken, vocabulary.addsEndToken) = (true, false)
    vocabulary.chatTemplate = "template"
    let tokenizer = try Tokenizer(vocabulary)
    for (number, line) in try Fixture.lines("tokenizers/deepseek-v3/golden.jsonl").enumerated() {
      let ids = line["ids"]?.tokens ?? []
      if let text = line["text"]?.stringValue {
        let special = line["special"]?.boolValue ?? false
        #expect(tokenizer.encode(text, addSpecialTokens: special) == ids, "line \(number + 1)")
      }
      if let kept = line["decode_keep"]?.stringValue {
        #expect(tokenizer.decode(ids, skipSpecialTokens: false) == kept, "line \(number + 1)")
      }
    }
    #expect(tokenizer.vocabularySize == 128_815)
    #expect(tokenizer.beginToken == 0 && tokenizer.endToken == 1)
    #expect(tokenizer.chatTemplate == "template")
    #expect(tokenizer.isSpecial(1) && !tokenizer.isSpecial(128_804))
  }

  @Test(
    "every recorded line of the small tokenizers",
    arguments: [
      ("gpt2", "gpt-2"), ("deepseek_llm", "deepseek-llm"), ("deepseek_coder", "deepseek-coder"),
      ("kimi_k2", "kimi-k2"),
    ])
  func golden(_ name: String, _ preTokenizer: String) throws {
    let vocabulary = try converted(try Fixture.bytes("tokenizers/\(name).json"), preTokenizer)
    let tokenizer = try Tokenizer(vocabulary)
    let lines = try Fixture.lines("tokenizers/\(name).jsonl")
    #expect(lines.count > 40)
    for line in lines {
      guard let text = line["text"]?.stringValue else { continue }
      let ids = tokenizer.encode(text, addSpecialTokens: true)
      #expect(ids == line["ids"]?.tokens, "\(text.debugDescription)")
    }
  }

  /// The bytes a and b with a few tokens; parts replaceable.
  private func small(
    _ change: (inout GGUFVocabulary) -> Void = { _ in }
  ) throws -> Tokenizer {
    var vocabulary = GGUFVocabulary(
      model: "gpt2", tokens: ["<s>", "</s>", "a", "b", "ab", "<u>", "[PAD6]"], merges: ["a b"])
    vocabulary.tokenTypes = [3, 3, 1, 1, 1, 4, 5]
    vocabulary.preTokenizer = "gpt-2"
    (vocabulary.beginToken, vocabulary.endToken) = (0, 1)
    change(&vocabulary)
    return try Tokenizer(vocabulary)
  }

  @Test("kinds of tokens, and tokens around a text")
  func kinds() throws {
    let tokenizer = try small()
    #expect(tokenizer.encode("ab<u>b<s>", addSpecialTokens: true) == [4, 5, 3, 0])
    #expect(tokenizer.decode([0, 4, 5, 6, 1], skipSpecialTokens: true) == "ab<u>")
    #expect(tokenizer.token(for: "[PAD6]") == nil)
    let around = try small { ($0.addsBeginToken, $0.addsEndToken) = (true, true) }
    #expect(around.encode("ab", addSpecialTokens: true) == [0, 4, 1])
    // Without kinds the tokens that begin and end a text are still found in it.
    let untyped = try small { $0.tokenTypes = nil }
    #expect(untyped.encode("ab<s>", addSpecialTokens: true) == [4, 0])
    // Unused tokens may repeat what others say.
    #expect(try small { $0.tokens[6] = "a" }.token(for: "a") == 2)
    let unnamed = try small { $0.preTokenizer = nil }
    #expect(unnamed.encode("ab", addSpecialTokens: true) == [4])
  }

  private static let refused: [(String, @Sendable (inout GGUFVocabulary) -> Void)] = [
    ("tokenizer.ggml.model: \"llama\"", { $0.model = "llama" }),
    ("tokenizer.ggml.pre: \"qwen2\"", { $0.preTokenizer = "qwen2" }),
    ("token_type must be as many as tokens (7)", { $0.tokenTypes = [1] }),
    ("token_type[2]: the type 6", { $0.tokenTypes?[2] = 6 }),
    ("token_type[2]: the type -1", { $0.tokenTypes?[2] = -1 }),
    ("tokens[3] must be different", { $0.tokens[3] = "a" }),
    ("merges[0]", { $0.merges = ["a"] }), ("merges[0]", { $0.merges = ["a c"] }),
    ("merges[0]", { $0.merges = ["b a"] }),
    ("bos_token_id must be a token, is 7", { $0.beginToken = 7 }),
    ("eos_token_id must be a token, is -1", { $0.endToken = -1 }),
    ("eos_token_id", { $0.endToken = .max }),
    ("exceeds", { $0.tokens = Array(repeating: "a", count: 1 << 22 + 1) }),
  ]

  @Test("vocabularies that cannot be used are refused by name", arguments: refused.indices)
  func refusal(_ index: Int) throws {
    let (reason, change) = Self.refused[index]
    let error = try #require(throws: TextError.self) { try small(change) }
    #expect(error.description.contains(reason), "\(error)")
  }

  @Test("ten thousand mutated vocabularies give a tokenizer or an error")
  func mutated() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    let texts = ["", " ", "a b", "  ", "ab", "\0", "é", "Ġ", "Ġ Ġ", "<s>", "b a b", "\u{1F600}"]
    var (accepted, complaints) = (0, Set<String>())
    for _ in 0..<10_000 {
      do {
        let tokenizer = try small { vocabulary in
          for _ in 0..<Int.random(in: 1...4, using: &g) { mutate(&vocabulary, texts, &g) }
        }
        accepted += 1
        let text = (0..<5).map { _ in texts.randomElement(using: &g) ?? "" }.joined()
        let tokens = tokenizer.encode(text, addSpecialTokens: true)
        try #require(tokens.allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize }, "seed \(seed)")
        _ = tokenizer.decode(tokens + [-1, .max], skipSpecialTokens: false)
      } catch let error as TextError {
        complaints.insert(error.description)
      }
    }
    // Whatever is wrong is found under its key.
    #expect(complaints.allSatisfy { $0.contains("tokenizer.ggml.") }, "\(complaints)")
    #expect((100..<9_900).contains(accepted), "seed \(seed): \(accepted)")
  }

  private func mutate(
    _ vocabulary: inout GGUFVocabulary, _ texts: [String], _ g: inout SeededGenerator
  ) {
    let text = texts.randomElement(using: &g) ?? ""
    let number = [-1, 0, 1, 2, 3, 4, 5, 6, 7, .max, .min].randomElement(using: &g) ?? 0
    let token = Int.random(in: vocabulary.tokens.indices, using: &g)
    switch Int.random(in: 0..<8, using: &g) {
    case 0: vocabulary.tokens[token] = text
    case 1: vocabulary.tokens.append(text)
    case 2: vocabulary.merges.append(text)
    case 3: vocabulary.merges = [text]
    case 4: vocabulary.tokenTypes?[0] = number
    case 5: vocabulary.tokenTypes = vocabulary.tokens.map { _ in number }
    case 6: vocabulary.beginToken = number
    default: vocabulary.endToken = number
    }
  }
}
