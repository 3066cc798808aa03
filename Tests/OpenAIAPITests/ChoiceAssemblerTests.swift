// Text, log-probabilities and ends of single choices, from events written by hand.

import OpenAIAPI
import Sampling
import Serving
import TestSupport
import Testing
import Text

@Suite("Events to what the reader sees")
struct ChoiceAssemblerTests {
  let tokenizer: Tokenizer
  init() throws { tokenizer = try ByteTokenizer.make() }

  private func request(_ change: (inout TranslatedRequest) -> Void = { _ in }) -> TranslatedRequest
  {
    var request = TranslatedRequest()
    request.prompts = [Prompt(tokens: [256, 97, 98], text: "ab", maxTokens: 100)]
    request.endTokens = [ByteTokenizer.end]
    change(&request)
    return request
  }

  private func run(
    _ request: TranslatedRequest, _ events: [GenerationEvent]
  ) -> (total: ChoiceDelta, deltas: [ChoiceDelta]) {
    var assembler = ChoiceAssembler(request, prompt: request.prompts[0], tokenizer: tokenizer)
    let deltas = events.map { assembler.add($0) }
    var total = ChoiceDelta()
    for delta in deltas { total.append(delta) }
    return (total, deltas)
  }

  private func tokens(_ text: String) -> [GenerationEvent] {
    text.utf8.map { .token(Int32($0), nil) }
  }

  private func scored(_ token: Int32) -> TokenLogprobs {
    let logits = (0..<AlphabetModel.vocabularySize).map { Float($0 % 7) }
    return TokenLogprobs(logits.span, token: token, top: 2)
  }

  @Test("multi-byte characters come out whole")
  func characters() {
    let text = "naïve 東京 👍🏽"
    let (total, deltas) = run(request(), tokens(text) + [.finished(.length)])
    #expect(total.text == text)
    #expect(total.end == ChoiceEnd(reason: .length))
    #expect(total.tokens == text.utf8.map { Int32($0) })
    #expect(deltas.allSatisfy { !$0.text.contains("\u{FFFD}") })
    #expect(deltas.map(\.text).contains("東"))
  }

  @Test("a character that is never finished shows as U+FFFD at the end")
  func unfinishedCharacter() {
    let events = tokens("a東").dropLast() + [.finished(.length)]
    #expect(run(request(), Array(events)).total.text == "a\u{FFFD}")
  }

  @Test(
    "stop strings across tokens",
    arguments: [
      (["END"], false, "one ", true), (["END"], true, "one END", true),
      (["ENDE"], false, "one END two", false), (["xx", "two"], false, "one END ", true),
      (["e EN", "END"], true, "one EN", true), (["o"], false, "", true),
    ])
  func stopStrings(stops: [String], includes: Bool, expected: String, stopped: Bool) {
    let request = request {
      $0.text.stops = stops
      $0.text.includesStop = includes
    }
    let (total, deltas) = run(request, tokens("one END two") + [.finished(.length)])
    #expect(total.text == expected)
    #expect(total.end?.reason == (stopped ? .stop : .length))
    // Nothing is taken back: what has been shown is always the beginning of the result.
    var shown = ""
    for delta in deltas {
      shown += delta.text
      #expect(expected.hasPrefix(shown))
    }
  }

  @Test("events after a stop string add nothing")
  func afterStop() {
    let (total, _) = run(request { $0.text.stops = ["b"] }, tokens("abcd") + [.finished(.length)])
    #expect(total.text == "a")
    #expect(total.tokens == [97, 98])
  }

  @Test("the checkpoint's end shows neither its text nor a stop reason")
  func endToken() {
    let (total, _) = run(
      request { $0.text.skipsSpecialTokens = false },
      tokens("hi") + [.token(ByteTokenizer.end, nil), .finished(.stop)])
    #expect(total.text == "hi")
    #expect(total.tokens.last == ByteTokenizer.end)
    #expect(total.end == ChoiceEnd(reason: .stop))
  }

  @Test("a stop token is named, and shown on demand", arguments: [false, true])
  func stopToken(includes: Bool) {
    let (total, _) = run(
      request {
        $0.stopTokens = [Int32(UInt8(ascii: "!"))]
        $0.text.includesStop = includes
      }, tokens("hi!") + [.finished(.stop)])
    #expect(total.text == (includes ? "hi!" : "hi"))
    #expect(total.end == ChoiceEnd(reason: .stop, stopToken: 33))
  }

  @Test("special tokens within the answer", arguments: [true, false])
  func specialTokens(skips: Bool) {
    let (total, _) = run(
      request { $0.text.skipsSpecialTokens = skips },
      tokens("a") + [.token(258, nil)] + tokens("b") + [.finished(.length)])
    #expect(total.text == (skips ? "ab" : "a<｜User｜>b"))
  }

  @Test("log-probabilities carry offsets into the text")
  func offsets() {
    let bytes = "é東x".utf8.map { Int32($0) }
    let events = bytes.map { GenerationEvent.token($0, scored($0)) } + [.finished(.length)]
    let (total, _) = run(request { $0.output.logprobs = 2 }, events)
    // Offsets count Unicode scalars; the bytes of one character begin where it begins.
    #expect(total.entries.map(\.textOffset) == [0, 0, 1, 1, 1, 2])
    #expect(total.entries.map(\.token) == bytes)
    #expect(total.entries.allSatisfy { $0.logprobs?.chosen.token == $0.token })
  }

  @Test("an echoed prompt comes first, its first token without log-probability")
  func echo() {
    let request = request {
      $0.output.echo = true
      $0.output.logprobs = 2
    }
    let events: [GenerationEvent] = [
      .prompt([scored(97)]), .prompt([scored(98)]), .token(99, scored(99)), .finished(.length),
    ]
    let (total, deltas) = run(request, events)
    #expect(total.text == "abc")
    #expect(deltas[0].text == "ab")
    #expect(total.entries.map(\.token) == [256, 97, 98, 99])
    #expect(total.entries.map { $0.logprobs == nil } == [true, false, false, false])
    #expect(total.entries.map(\.textOffset) == [0, 0, 1, 2])
    #expect(total.tokens == [99])
  }

  @Test("an echoed prompt of tokens is decoded; stop strings do not look into it")
  func echoOfTokens() {
    let request = request {
      $0.prompts = [Prompt(tokens: [97, 98], maxTokens: 5)]
      $0.output.echo = true
      $0.text.stops = ["ab"]
    }
    #expect(run(request, tokens("xy") + [.finished(.length)]).total.text == "abxy")
  }

  @Test("random texts and stops against searching the whole text")
  func randomStops() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    func word(_ length: ClosedRange<Int>) -> String {
      let letters = ["a", "b", "é", "東"]
      return (0..<Int.random(in: length, using: &generator)).map { _ in
        letters.randomElement(using: &generator) ?? ""
      }.joined()
    }
    for _ in 0..<2000 {
      let (text, stop) = (word(0...20), word(1...4))
      let (total, _) = run(request { $0.text.stops = [stop] }, tokens(text) + [.finished(.length)])
      let expected = Self.prefix(of: text, before: stop)
      #expect(total.text == expected ?? text, "seed \(seed), text \(text), stop \(stop)")
      #expect(total.end?.reason == (expected == nil ? .length : .stop), "seed \(seed)")
    }
  }

  /// By definition: the text before the first occurrence, if there is one.
  private static func prefix(of text: String, before stop: String) -> String? {
    let (text, stop) = (Array(text.unicodeScalars), Array(stop.unicodeScalars))
    guard text.count >= stop.count else { return nil }
    for start in 0...(text.count - stop.count) where text[start...].starts(with: stop) {
      return String(String.UnicodeScalarView(text[..<start]))
    }
    return nil
  }
}
