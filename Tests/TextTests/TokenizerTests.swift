// Encoding and decoding against what the Hugging Face library recorded.

import JSON
import Testing
import Text

private let deepSeek = "tokenizers/deepseek-v3/tokenizer.json"

/// A line holds a text with the ids it encodes to, or ids alone; and what decoding them gives with
/// special tokens kept and skipped, where that is not the text (or was not recorded).
private func check(_ line: JSONValue, _ tokenizer: Tokenizer, _ label: String) throws {
  let ids = line["ids"]?.tokens ?? []
  let text = line["text"]?.stringValue
  if let text {
    let special = line["special"]?.boolValue ?? false
    let found = tokenizer.encode(text, addSpecialTokens: special)
    #expect(found == ids, "\(label): encode \(text.debugDescription)")
  }
  for skips in [false, true] {
    let decoded = tokenizer.decode(ids, skipSpecialTokens: skips)
    let recorded = line[skips ? "decode_skip" : "decode_keep"]?.stringValue
    if let expected = recorded ?? (label.contains("deepseek-v3") && skips ? nil : text) {
      #expect(decoded.utf8.elementsEqual(expected.utf8), "\(label): decode \(ids), skip \(skips)")
    }
    var incremental = IncrementalDecoder(tokenizer, skipSpecialTokens: skips)
    let joined = ids.map { incremental.append($0) }.joined() + incremental.finish()
    #expect(joined == decoded, "\(label): incremental decode of \(ids), skip \(skips)")
  }
}

private let recorded = [
  "byte_fallback", "deepseek", "deepseek_coder", "deepseek_llm", "gpt2", "gpt2_prefix_space",
  "gpt4_ignore_merges",
  "metaspace_unknown_fused", "metaspace_unknown_single", "normalizer_lowercase", "normalizer_nfc",
  "normalizer_nfd", "normalizer_nfkc", "normalizer_nfkd_strip_accents",
  "normalizer_prepend_replace", "o200k", "prefix_suffix_no_decoder", "split_contiguous",
  "split_contiguous_inverted", "split_literal", "split_merged_with_next",
  "split_merged_with_previous",
  "split_removed", "split_removed_inverted", "starcoder",
  "template", "whitespace", "whitespace_split",
]

@Suite("Tokenizer")
struct TokenizerTests {
  @Test("DeepSeek-V3: every recorded line, both ways", .enabled(if: Fixture.hasShared(deepSeek)))
  func deepSeekGolden() throws {
    let tokenizer = try Tokenizer(
      tokenizer: try Fixture.sharedBytes(deepSeek),
      configuration: try Fixture.sharedBytes("tokenizers/deepseek-v3/tokenizer_config.json"))
    let lines = try Fixture.lines("tokenizers/deepseek-v3/golden.jsonl")
    #expect(lines.count == 462)
    for (number, line) in lines.enumerated() {
      try check(line, tokenizer, "deepseek-v3 line \(number + 1)")
    }
    #expect(tokenizer.vocabularySize == 128_815)
    #expect(tokenizer.beginToken == 0 && tokenizer.endToken == 1)
    #expect(tokenizer.token(for: "<｜Assistant｜>") == 128_804)
    #expect(tokenizer.isSpecial(1) && !tokenizer.isSpecial(128_804))
    #expect(ChatFormat.detect(template: tokenizer.chatTemplate ?? "") == .deepseekV3)
  }

  @Test("every recorded line of the small tokenizers, both ways", arguments: recorded)
  func golden(_ name: String) throws {
    let tokenizer = try Tokenizer(tokenizer: try Fixture.bytes("tokenizers/\(name).json"))
    let lines = try Fixture.lines("tokenizers/\(name).jsonl")
    #expect(lines.count > 40)
    for (number, line) in lines.enumerated() {
      try check(line, tokenizer, "\(name) line \(number + 1)")
    }
  }
}
