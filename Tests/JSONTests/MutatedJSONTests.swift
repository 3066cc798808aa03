// Many mutated texts: none traps the parser, what it takes another parser takes, too, and what it
// makes of it is written and read back the same. HADAL_FUZZ_INPUTS names another number of them.

import Foundation
import JSON
import TestSupport
import Testing

@Suite("Mutated JSON")
struct MutatedJSONTests {
  private static let corpus = [
    #"{"model":"m","messages":[{"role":"user","content":"Hi \u00e9\ud83d\ude00\n"}],"n":2}"#,
    #"{"prompt":[1,2,3,70000],"max_tokens":16,"temperature":0.7,"stream":true,"stop":["a","b"]}"#,
    #"{"logit_bias":{"50256":-100,"1":1e1},"seed":-9223372036854775808,"user":null}"#,
    #"[[[[[[]]]]],{},"",0,-0,1.5e-3,9223372036854775807,18446744073709551616,1E+2]"#,
    #"  { "a" : [ true , false , null ] , "\u0061b" : "\\\/\b\f\n\r\t\"" }  "#,
    #""π 漢 😀 \u0000 \uD834\uDD1E""#, "-12.5e+7", "[]", "{}", "0",
  ]

  private static let words = [
    "{", "}", "[", "]", "\"", ":", ",", "\\", "\\u", "\\ud800", "\\udc00", "\\u0000", "null",
    "true", "false", "-", "+", ".", "e", "E", "0", "1e309", "1e-400", "NaN", "Infinity", "//", "/*",
    "'", "\u{FEFF}", "\u{2028}", "\"a\":1,", "[[[[[[[[", "]]]]]]]]", "{\"a\":{\"a\":", "\n", "\r",
    "\t", "12345678901234567890", "0.00000000000000000000000000000000001",
  ]

  @Test("nothing traps, and what is taken is JSON and stays the same")
  func texts() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var mutator = Mutator(
      corpus: Self.corpus.map { Array($0.utf8) }, words: Self.words, seed: seed)
    let count = Mutator.inputCount(otherwise: 20_000)
    print("\(count) mutated JSON texts, seed \(seed)")
    var accepted = 0
    for _ in 0..<count {
      let bytes = mutator.next()
      guard
        let value = try? JSONValue(parsing: bytes, limits: JSONLimits(bytes: 1 << 16, depth: 32))
      else { continue }
      accepted += 1
      let other = try? JSONSerialization.jsonObject(
        with: Data(bytes), options: [.fragmentsAllowed])
      let again = try? JSONValue(parsing: value.serialized())
      if other == nil || again != value {
        Issue.record("seed \(seed): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
        return
      }
    }
    #expect(accepted > count / 20 && accepted < count, "seed \(seed)")
  }
}
