// Mutated request bodies: refused or translated, never a trap.

import JSON
import OpenAIAPI
import TestSupport
import Testing
import Text

@Suite("Hostile requests")
struct HostileRequestTests {
  private static let originals = [
    """
    {"model": "alphabet", "prompt": ["abc", [1, 2, 264]], "max_tokens": 16, "temperature": 0.7,
     "top_p": 0.9, "top_k": 40, "min_p": 0.05, "n": 2, "best_of": 2, "stream": true,
     "stream_options": {"include_usage": true}, "logprobs": 5, "echo": true, "stop": ["x", "\\n"],
     "presence_penalty": 0.5, "frequency_penalty": -0.5, "repetition_penalty": 1.1, "seed": 42,
     "logit_bias": {"5": -100, "7": 1.5}, "stop_token_ids": [9], "ignore_eos": false,
     "include_stop_str_in_output": true, "skip_special_tokens": false, "user": "u",
     "add_special_tokens": false, "return_token_ids": true, "return_tokens_as_token_ids": true}
    """,
    """
    {"model": "alphabet", "messages": [{"role": "system", "content": "be kind"},
     {"role": "user", "content": [{"type": "text", "text": "hi \\u00e9\\ud83d\\ude00"}]},
     {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
      "function": {"name": "f", "arguments": "{}"}}]},
     {"role": "tool", "content": "5", "tool_call_id": "1"}],
     "max_completion_tokens": 20, "logprobs": true, "top_logprobs": 3, "temperature": 1,
     "chat_template_kwargs": {"thinking": true}, "add_generation_prompt": true, "tools": [],
     "response_format": {"type": "text"}, "metadata": {"a": "b"}, "store": false}
    """,
    "{\"tokens\": [1, 2, 3], \"prompt\": \"abc\", \"add_special_tokens\": true}",
  ].map { Array($0.utf8) }

  private static let fragments = [
    "null", "true", "[]", "{}", "\"\"", "-1", "0", "1e308", "-1e308", "9223372036854775807",
    "9223372036854775808", "1e999", "NaN", "[[[[[[[[", "{\"a\":", "\"\\ud800\"", "\\u0000", ",",
    ":",
    "18446744073709551615", "-0.0", "5e-324", "2147483648", "\"temperature\":", "\"prompt\":",
  ].map { Array($0.utf8) }

  /// Every mutated body is translated or refused; a trap would end the test process.
  @Test("100,000 mutated bodies")
  func mutatedBodies() throws {
    let models = [
      try TestService(chatFormat: .deepseekV31).model, try TestService(hasTokenizer: false).model,
    ]
    let seed = UInt64.random(in: 0...UInt64.max)
    print("mutated request bodies: seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    var accepted = 0
    var parsed = 0
    for round in 0..<100_000 {
      let body = Self.mutated(Self.originals[round % 3], using: &generator)
      guard let value = try? JSONValue(parsing: body) else { continue }
      parsed += 1
      let model = models[round / 3 % 2]
      do throws(APIError) {
        switch round % 3 {
        case 0:
          var translator = try RequestTranslator(value, model: model)
          _ = try translator.completion()
        case 1:
          var translator = try RequestTranslator(value, model: model)
          _ = try translator.chat()
        default:
          _ = try? TokenizeHandler(model: model).tokenize(value)
          _ = try TokenizeHandler(model: model).detokenize(value)
        }
        accepted += 1
      } catch {
        #expect([400, 404].contains(error.status), "seed \(seed), round \(round)")
        #expect(!error.message.isEmpty)
      }
    }
    // Otherwise the mutations would never get behind the parser.
    #expect(parsed > 10_000 && accepted > 100, "\(parsed) parsed, \(accepted) accepted")
  }

  private static func mutated(
    _ original: [UInt8], using generator: inout SeededGenerator
  ) -> [UInt8] {
    var body = original
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      if body.isEmpty { break }
      let place = Int.random(in: 0..<body.count, using: &generator)
      let end = min(body.count, place + Int.random(in: 0...12, using: &generator))
      let fragment = fragments.randomElement(using: &generator) ?? []
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: body[place] = UInt8.random(in: 0...255, using: &generator)
      case 1: body.removeSubrange(place..<end)
      case 2: body.insert(contentsOf: fragment, at: place)
      case 3: body.insert(contentsOf: body[place..<end], at: place)
      case 4: replaceValue(in: &body, at: place, with: fragment)
      default: replaceDigit(in: &body, at: place, with: fragment)
      }
    }
    return body
  }

  /// Replaces what stands between the next colon and comma: most results still parse.
  private static func replaceValue(in body: inout [UInt8], at place: Int, with new: [UInt8]) {
    guard let colon = body[place...].firstIndex(of: UInt8(ascii: ":")),
      let comma = body[colon...].firstIndex(of: UInt8(ascii: ","))
    else { return }
    body.replaceSubrange(colon + 1..<comma, with: new)
  }

  private static func replaceDigit(in body: inout [UInt8], at place: Int, with new: [UInt8]) {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard let digit = body[place...].firstIndex(where: digits.contains) else { return }
    body.replaceSubrange(digit...digit, with: new)
  }
}
