// The cuts of patterns against those that Oniguruma made.

import JSON
import Testing
import Text

/// Cuts texts with one pattern, seen through the tokens of a tokenizer that marks where pieces end.
private struct PatternTokenizer {
  let tokenizer: Tokenizer

  init(_ pattern: String, _ texts: [String]) throws {
    var vocabulary = JSONObject()
    for scalar in Set(texts.flatMap(\.unicodeScalars)).sorted() {
      let character = String(Character(scalar))
      vocabulary[character] = .integer(vocabulary.count)
      vocabulary[character + "\u{F8FF}"] = .integer(vocabulary.count)
    }
    let file: JSONValue = [
      "model": [
        "type": "BPE", "end_of_word_suffix": "\u{F8FF}", "vocab": .object(vocabulary), "merges": [],
      ],
      "pre_tokenizer": [
        "type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated",
      ],
    ]
    tokenizer = try Tokenizer(tokenizer: file.serialized())
  }

  /// The lengths of the pieces in code points; tokens with odd ids end a piece.
  func cut(_ text: String) -> [Int] {
    var lengths: [Int] = []
    var length = 0
    for token in tokenizer.encode(text, addSpecialTokens: false) {
      length += 1
      guard token % 2 == 1 else { continue }
      lengths.append(length)
      length = 0
    }
    return lengths
  }
}

@Suite("Patterns")
struct RegexTests {
  @Test("cut texts as Oniguruma does")
  func recorded() throws {
    let lines = try Fixture.lines("tokenizers/patterns.jsonl")
    let texts = (lines.first?["texts"]?.arrayValue ?? []).compactMap(\.stringValue)
    #expect(lines.count > 150 && texts.count == 12)
    for line in lines.dropFirst() {
      let pattern = try #require(line["pattern"]?.stringValue)
      guard let cuts = line["cuts"]?.arrayValue else {
        #expect(throws: TextError.self, "\(pattern)") { try PatternTokenizer(pattern, texts) }
        continue
      }
      do {
        let tokenizer = try PatternTokenizer(pattern, texts)
        for (text, lengths) in zip(texts, cuts) {
          #expect(
            tokenizer.cut(text) == lengths.arrayValue?.compactMap(\.integerValue),
            "\(pattern) on \(text.debugDescription)")
        }
      } catch {
        Issue.record("\(pattern): \(error)")
      }
    }
  }
}
