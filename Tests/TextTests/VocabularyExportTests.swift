// Vocabularies of GGUF files, from tokenizer files with known pre-tokenizers and with others.

import Foundation
import JSON
import TestSupport
import Testing
import Text

/// A tokenizer file with these steps before the bytes.
private func file(_ steps: [String], byteLevel: String = #""use_regex":false"#) -> [UInt8] {
  let last = #"{"type":"ByteLevel","add_prefix_space":false,\#(byteLevel)}"#
  let all = (steps + [last]).joined(separator: ",")
  return Array(
    #"""
    {"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]},
     "added_tokens":[{"id":3,"content":"<s>","special":true},{"id":4,"content":"<|x|>"},
                     {"id":5,"content":"<think>"}],
     "pre_tokenizer":{"type":"Sequence","pretokenizers":[\#(all)]}}
    """#.utf8)
}

private func split(_ pattern: String) -> String {
  let text = JSONValue.string(pattern).text
  return #"{"type":"Split","pattern":{"Regex":\#(text)},"behavior":"Isolated","invert":false}"#
}

private func export(
  _ bytes: [UInt8], configuration: String? = nil, size: Int = 8
) throws -> VocabularyExport {
  try VocabularyExport(
    tokenizer: bytes, configuration: configuration.map { Array($0.utf8) }, chatTemplate: nil,
    vocabularySize: size, begin: 1, end: 2)
}

private let digits = #"{"type":"Digits","individual_digits":true}"#
private let ideographs = split("[一-龥ࠀ-一가-퟿]+")

@Suite("Vocabularies for GGUF files")
struct VocabularyExportTests {
  @Test("the pre-tokenizers that have names")
  func names() throws {
    #expect(try export(file([], byteLevel: #""use_regex":true"#)).preTokenizer == "gpt-2")
    let coder = [split("[\r\n]"), split(#"\s?\p{L}+"#), split(#"\s?\p{P}+"#), ideographs, digits]
    #expect(try export(file(coder)).preTokenizer == "deepseek-coder")
    let chat = [
      split("[\r\n]"), split("\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ]+"),
      split(#"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+"#),
      split("\\s+$"), ideographs, digits,
    ]
    #expect(try export(file(chat)).preTokenizer == "deepseek-llm")
    for name in ["deepseek", "gpt2"] {
      let path = Fixtures.path("tokenizers/\(name).json")
      let bytes = Array(try Data(contentsOf: URL(filePath: path)))
      let vocabulary = try export(bytes, size: 1000)
      #expect(vocabulary.preTokenizer == (name == "gpt2" ? "gpt-2" : "deepseek-v3"))
      #expect(vocabulary.tokens.count == 1000 && vocabulary.kinds.count == 1000)
    }
  }

  @Test("others are refused")
  func unnamed() {
    let wrong: [[UInt8]] = [
      file([split(#"\p{N}"#)]), file([digits]), file([split("[\r\n]"), digits]),
      file([], byteLevel: #""use_regex":false"#),
      file([#"{"type":"Split","pattern":{"String":"a"},"behavior":"Isolated"}"#]),
      file([#"{"type":"Split","pattern":{"Regex":"a"},"behavior":"Removed"}"#]),
      file([#"{"type":"Whitespace"}"#]),
    ]
    for bytes in wrong { #expect(throws: TextError.self) { try export(bytes) } }
    let plain = String(decoding: file([], byteLevel: #""use_regex":true"#), as: UTF8.self)
    for (found, replacement) in [
      (#"{"model""#, #"{"normalizer":{"type":"NFC"},"model""#),
      (#""type":"BPE","#, #""type":"BPE","ignore_merges":true,"#),
      (#""type":"BPE","#, #""type":"BPE","byte_fallback":true,"#),
      (#""add_prefix_space":false"#, #""add_prefix_space":true"#),
    ] {
      let bytes = Array(plain.replacing(found, with: replacement).utf8)
      #expect(bytes.count > plain.utf8.count - 2)
      #expect(throws: TextError.self, "\(replacement)") { try export(bytes) }
    }
    #expect(throws: TextError.self) { try export(Array(plain.utf8), size: 5) }
  }

  @Test("tokens, kinds and what surrounds a text")
  func tokens() throws {
    let bytes = file([], byteLevel: #""use_regex":true"#)
    let bare = try export(bytes)
    #expect(bare.tokens == ["a", "b", "ab", "<s>", "<|x|>", "<think>", "[PAD6]", "[PAD7]"])
    #expect(
      bare.kinds == [
        .normal, .normal, .normal, .control, .control, .userDefined, .unused, .unused,
      ])
    #expect(bare.merges == ["a b"])
    #expect(bare.beginToken == 1 && bare.endToken == 2 && bare.paddingToken == nil)
    #expect(!bare.addsBeginToken && !bare.addsEndToken && bare.chatTemplate == nil)
    let full = try export(
      bytes,
      configuration: #"""
        {"bos_token":"<s>","eos_token":{"content":"<|x|>"},"pad_token":{"content":"<think>"},
         "add_bos_token":true,"add_eos_token":true,"chat_template":"{{ x }}"}
        """#)
    #expect(full.beginToken == 3 && full.endToken == 4 && full.paddingToken == 5)
    #expect(full.addsBeginToken && full.addsEndToken && full.chatTemplate == "{{ x }}")
  }
}
