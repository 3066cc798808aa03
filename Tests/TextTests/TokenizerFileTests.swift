// Tokenizer files and configurations that are wrong, unusual or mutated.

import JSON
import TestSupport
import Testing
import Text

/// A complete small tokenizer file with one part replaced.
private func file(
  model: String = #"{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}"#,
  added: String = "[]", rest: String = ""
) -> [UInt8] {
  Array(#"{"added_tokens":\#(added),"model":\#(model)\#(rest)}"#.utf8)
}

@Suite("Tokenizer files")
struct TokenizerFileTests {
  @Test("the smallest file works")
  func smallest() throws {
    let tokenizer = try Tokenizer(tokenizer: file())
    #expect(tokenizer.encode("abba", addSpecialTokens: true) == [2, 1, 0])
    #expect(tokenizer.decode([2, 99, -1, 1], skipSpecialTokens: false) == "ab b")
    #expect(tokenizer.bytes(of: 2) == [0x61, 0x62])
    #expect(tokenizer.bytes(of: 3) == nil)
    #expect(tokenizer.token(for: "ab") == 2)
    #expect(tokenizer.vocabularySize == 3)
    #expect(tokenizer.beginToken == nil && tokenizer.chatTemplate == nil)
  }

  @Test(
    "bad models",
    arguments: [
      "null", "[]", #"{"type":"Unigram","vocab":[],"merges":[]}"#, #"{"vocab":{"a":0}}"#,
      #"{"vocab":{"a":0},"merges":{}}"#, #"{"vocab":[],"merges":[]}"#,
      #"{"vocab":{"a":-1},"merges":[]}"#, #"{"vocab":{"a":1000000000},"merges":[]}"#,
      #"{"vocab":{"a":9223372036854775807},"merges":[]}"#, #"{"vocab":{"a":0.5},"merges":[]}"#,
      #"{"vocab":{"a":"0"},"merges":[]}"#, #"{"vocab":{"a":0,"b":0},"merges":[]}"#,
      #"{"vocab":{"a":0,"a":1},"merges":[]}"#, #"{"vocab":{"a":0},"merges":["a b"]}"#,
      #"{"vocab":{"a":0,"b":1},"merges":["a b"]}"#, #"{"vocab":{"a":0},"merges":["a"]}"#,
      #"{"vocab":{"a":0,"aa":1},"merges":["a a a"]}"#, #"{"vocab":{"a":0},"merges":[["a"]]}"#,
      #"{"vocab":{"a":0},"merges":[[0,0]]}"#, #"{"vocab":{"a":0},"merges":[7]}"#,
      #"{"vocab":{"a":0},"merges":[],"dropout":0.1}"#,
      #"{"vocab":{"a":0},"merges":[],"unk_token":"<unk>"}"#,
      #"{"vocab":{"a":0},"merges":[],"byte_fallback":1}"#,
      #"{"vocab":{"a":0,"aa":1},"merges":["a a"],"continuing_subword_prefix":"@@"}"#,
    ])
  func badModel(_ model: String) {
    #expect(throws: TextError.self) { try Tokenizer(tokenizer: file(model: model)) }
  }

  @Test(
    "bad and unsupported parts name themselves",
    arguments: [
      (#","normalizer":{"type":"Precompiled"}"#, "Precompiled"),
      (#","normalizer":{"type":"Replace","pattern":{"Regex":"("},"content":""}"#, "normalizer"),
      (#","normalizer":[]"#, "normalizer"),
      (#","pre_tokenizer":{"type":"UnicodeScripts"}"#, "UnicodeScripts"),
      (
        #","pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a"},"behavior":"Isolated"}"#,
        "pattern"
      ),
      (#","pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Odd"}"#, "Odd"),
      (
        #","pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a&&b]"},"behavior":"Removed"}"#,
        "&&"
      ),
      (
        #","pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Odd"}]}"#,
        "pretokenizers[0]"
      ),
      (#","decoder":{"type":"CTC"}"#, "CTC"),
      (
        #","decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteLevel"}]}"#, "Fuse"
      ),
      (#","post_processor":{"type":"Odd"}"#, "Odd"),
      (
        #","post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}]}"#,
        "special_tokens"
      ),
    ])
  func badPart(_ rest: String, _ name: String) {
    #expect {
      try Tokenizer(tokenizer: file(rest: rest))
    } throws: {
      "\($0)".contains(name)
    }
  }

  @Test("canonically equivalent tokens are different tokens")
  func equivalentTokens() throws {
    let model = #"{"vocab":{"\#u{E9}":0,"e":1,"\#u{301}":2,"e\#u{301}":3},"merges":["e \#u{301}"]}"#
    let tokenizer = try Tokenizer(tokenizer: file(model: model))
    #expect(tokenizer.encode("\u{E9}e\u{301}", addSpecialTokens: false) == [0, 3])
    #expect(tokenizer.token(for: "\u{E9}") == 0)
  }

  @Test("begin and end tokens follow tokenizer_config.json where it speaks about them")
  func configuration() throws {
    let added =
      #"[{"id":3,"content":"<s>","special":true},{"id":4,"content":"</s>","special":true}]"#
    let template = """
      ,"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},\
      {"SpecialToken":{"id":"e"}}],"special_tokens":{"e":{"ids":[4,4]}}}
      """
    func tokens(_ configuration: String?) throws -> [Int32] {
      let tokenizer = try Tokenizer(
        tokenizer: file(added: added, rest: template),
        configuration: configuration.map { Array($0.utf8) })
      #expect(tokenizer.encode("a", addSpecialTokens: false) == [0])
      return tokenizer.encode("a", addSpecialTokens: true)
    }
    let names = #""bos_token":{"content":"<s>"},"eos_token":"</s>""#
    #expect(try tokens(nil) == [0, 4, 4])
    #expect(try tokens("{\(names)}") == [0, 4, 4])
    #expect(try tokens("{\(names),\"add_bos_token\":true}") == [3, 0])
    #expect(try tokens("{\(names),\"add_bos_token\":true,\"add_eos_token\":true}") == [3, 0, 4])
    #expect(try tokens("{\(names),\"add_bos_token\":false}") == [0])
    #expect(try tokens("{\"add_bos_token\":true}") == [0])
    #expect(throws: TextError.self) { try tokens(#"{"bos_token":"<x>","add_bos_token":true}"#) }
    #expect(throws: TextError.self) { try tokens(#"{"add_bos_token":1}"#) }
    #expect(throws: TextError.self) { try tokens("{") }
  }

  @Test("chat templates: one, named, or beside")
  func chatTemplate() throws {
    func template(_ configuration: String, beside: String? = nil) throws -> String? {
      try Tokenizer(
        tokenizer: file(), configuration: Array(configuration.utf8),
        chatTemplate: beside.map { Array($0.utf8) }
      ).chatTemplate
    }
    #expect(try template(#"{"chat_template":"x"}"#) == "x")
    #expect(try template(#"{"chat_template":"x"}"#, beside: "y") == "y")
    let named = #"[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]"#
    #expect(try template(#"{"chat_template":\#(named)}"#) == "d")
    #expect(try template(#"{"chat_template":[]}"#) == nil)
    #expect(throws: TextError.self) { try template(#"{"chat_template":7}"#) }
  }

  @Test(
    "mutated files: an error or a tokenizer that works, never a trap",
    arguments: [
      "gpt2_prefix_space", "byte_fallback", "metaspace_unknown_fused", "template", "split_literal",
      "prefix_suffix_no_decoder", "normalizer_prepend_replace",
    ])
  func mutations(_ name: String) throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("mutations of \(name): seed \(seed)")
    var random = SeededGenerator(seed: seed)
    let original = try Fixture.bytes("tokenizers/\(name).json")
    let snippets = [
      "null", "-1", "1e9", "9223372036854775808", "\"\"", "[]", "{}", "true", "\\u0000", "é", "(",
      "[", "\"Regex\"", "\"String\"", "\\\\p{L}", "{3,1}",
    ].map { Array($0.utf8) }
    // Most of a file is vocabulary; half of the mutations aim at what lies before it.
    let head = min(original.count, 2500)
    for _ in 0..<400 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let limit = Bool.random(using: &random) ? head : bytes.count
        let start = Int.random(in: 0..<min(limit, bytes.count), using: &random)
        let end = min(start + Int.random(in: 0...4, using: &random), bytes.count)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[start] = UInt8.random(in: 0x20..<0x7F, using: &random)
        case 1:
          bytes.replaceSubrange(start..<end, with: snippets.randomElement(using: &random) ?? [])
        case 2: bytes.removeSubrange(start..<end)
        default: bytes.insert(contentsOf: bytes[start..<end], at: start)
        }
      }
      guard let tokenizer = try? Tokenizer(tokenizer: bytes) else { continue }
      let tokens = tokenizer.encode("a <s> the  word\n東京 é 123", addSpecialTokens: true)
      _ = tokenizer.decode(tokens + [-1, .max, 0, 1, 2, 260], skipSpecialTokens: true)
    }
  }
}
