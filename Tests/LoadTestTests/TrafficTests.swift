// Prompts, conversations and answers.

import HTTP
import JSON
import LoadTest
import TestSupport
import Testing

@Suite("Traffic")
struct TrafficTests {
  private func words(_ prompt: Prompt) -> [String] {
    guard case .text(let text) = prompt else { return [] }
    return text.split(separator: " ").map(String.init)
  }

  @Test("prompts have their length, their common beginning, and are all different")
  func prompts() {
    var traffic = LoadTraffic()
    traffic.sharedPrefix = 0.5
    traffic.seed = 5
    var source = PromptSource(traffic)
    var same = PromptSource(traffic)
    var seen: Set<[String]> = []
    var first: [String] = []
    for number in 0..<3_000 {
      let length = number % 7 + 8
      let prompt = words(source.next(length: length, isFirst: true))
      #expect(prompt == words(same.next(length: length, isFirst: true)))
      #expect(prompt.count == length)
      if first.isEmpty { first = prompt }
      #expect(prompt.prefix(4) == first.prefix(4))
      // What follows the common part differs from its first word on, as far as words go.
      #expect(seen.insert(Array(prompt.dropFirst((length + 1) / 2))).inserted)
    }
    traffic.seed = 6
    var other = PromptSource(traffic)
    #expect(
      words(other.next(length: 20, isFirst: true)) != words(same.next(length: 20, isFirst: true)))
  }

  @Test("short prompts are different as long as there are words")
  func shortPrompts() {
    var source = PromptSource(LoadTraffic())
    let prompts = (0..<200).map { _ in words(source.next(length: 1, isFirst: true)) }
    #expect(Set(prompts).count == 200)
    #expect(words(source.next(length: 1, isFirst: false)).count == 1)
  }

  @Test("token ids keep to their vocabulary", arguments: [1, 2, 3_072])
  func tokenIDs(vocabulary: Int) {
    var traffic = LoadTraffic()
    traffic.tokenIDs = vocabulary
    var source = PromptSource(traffic)
    for length in 1...50 {
      guard case .tokens(let ids) = source.next(length: length, isFirst: true) else {
        Issue.record("not ids")
        return
      }
      #expect(ids.count == length)
      #expect(ids.allSatisfy { (0..<vocabulary).contains($0) })
    }
  }

  @Test("a conversation is sent again with its answers")
  func conversations() throws {
    var chat = Conversation(turns: 2)
    #expect(chat.isNew)
    chat.ask(.text("one"))
    #expect(!chat.isOver)
    chat.answer(.text("two"))
    chat.ask(.text("three"))
    #expect(chat.isOver)
    #expect(
      chat.messages
        == [
          ["role": "user", "content": "one"], ["role": "assistant", "content": "two"],
          ["role": "user", "content": "three"],
        ])
    #expect(chat.prompt == "one two three")
    var ids = Conversation(turns: 2)
    ids.ask(.tokens([1, 2]))
    ids.answer(.tokens([3]))
    ids.ask(.tokens([4]))
    #expect(ids.prompt == [1, 2, 3, 4])
  }
}

@Suite("Answers of OpenAI-style servers")
struct AnswerReaderTests {
  private func head(_ status: Int, _ type: String, extra: String = "") throws -> ResponseHead {
    var parser = ResponseParser(limits: HTTPClientLimits(), answersHead: false)
    let text = "HTTP/1.1 \(status) X\r\nContent-Type: \(type)\r\n\(extra)\r\n"
    guard case .head(let head) = parser.receive(Array(text.utf8)).first else {
      throw HTTPClientError.closedEarly
    }
    return head
  }

  /// Reads a stream of which each piece comes a second after the one before.
  private func read(_ pieces: [String], keeps: Bool = true) throws -> (AnswerReader, Failure?) {
    var reader = AnswerReader(isStreamed: true, keepsAnswer: keeps)
    if let failure = reader.receive(try head(200, "text/event-stream; charset=utf-8")) {
      return (reader, failure)
    }
    for (second, piece) in pieces.enumerated() {
      if let failure = reader.receive(Array(piece.utf8), at: UInt64(second) * 1_000_000_000) {
        return (reader, failure)
      }
    }
    return (reader, reader.finish(at: 0))
  }

  private func chunk(_ choice: String, _ rest: String = "") -> String {
    "data: {\"object\": \"chat.completion.chunk\", \"choices\": [\(choice)]\(rest)}\n\n"
  }

  @Test("a chat's tokens are timed, from the first with text on")
  func chat() throws {
    let usage =
      #", "usage": {"prompt_tokens": 9, "completion_tokens": 5, "#
      + #""prompt_tokens_details": {"cached_tokens": 4}}"#
    let (reader, failure) = try read([
      chunk(#"{"index": 0, "delta": {"role": "assistant", "content": ""}}"#),
      chunk(#"{"index": 0, "delta": {"reasoning_content": "hm"}}"#),
      ": keep-alive\n\n",
      chunk(#"{"index": 0, "delta": {"content": "one"}}"#)
        + chunk(#"{"index": 0, "delta": {"content": " two"}}"#, #", "usage": null"#),
      chunk(#"{"index": 0, "delta": {}, "finish_reason": "stop"}"#),
      chunk("", usage) + "data: [DONE]\n\n",
    ])
    #expect(failure == nil)
    #expect(reader.firstToken == 1_000_000_000)
    #expect(reader.lastToken == 3_000_000_000)
    #expect(reader.gaps == [2_000_000_000, 0])
    #expect(reader.tokenEvents == 3)
    #expect(reader.text == "one two")
    #expect(reader.usage?.promptTokens == 9)
    #expect(reader.usage?.completionTokens == 5)
    #expect(reader.usage?.cachedTokens == 4)
  }

  @Test("completions in text and in ids")
  func completions() throws {
    let (reader, failure) = try read([
      #"data: {"choices": [{"text": "a", "token_ids": [7, 8]}]}"# + "\n\n",
      #"data: {"choices": [{"text": "", "token_ids": [9]}]}"# + "\n\ndata: [DONE]\n\n",
    ])
    #expect(failure == nil)
    #expect(reader.tokens == [7, 8, 9])
    #expect(reader.tokenEvents == 2)
    #expect(reader.usage == nil)
  }

  @Test("a stream's failures have their names")
  func failures() throws {
    let good = chunk(#"{"delta": {"content": "a"}}"#)
    #expect(try read([good]).1 == .missingDone)
    #expect(try read([]).1 == .missingDone)
    #expect(try read([good, "data: {\n\n"]).1 == .malformedAnswer)
    #expect(try read([good, "data: [1]\n\n"]).1 == .malformedAnswer)
    #expect(try read([String(repeating: "a", count: 2 << 20)]).1 == .tooLarge)
    let (reader, failure) = try read([good, #"data: {"error": {"message": "lost"}}"# + "\n\n"])
    #expect(failure == .errorEvent)
    #expect(reader.message == "lost")
    var plain = AnswerReader(isStreamed: true, keepsAnswer: false)
    #expect(plain.receive(try head(200, "application/json")) == .malformedAnswer)
  }

  @Test("hostile members are no tokens and no counts")
  func hostile() throws {
    let chunks = [
      #"{"choices": []}"#, #"{"choices": null}"#, #"{"choices": [null]}"#, #"{"choices": {}}"#,
      #"{"choices": [{"delta": null}]}"#, #"{"choices": [{"delta": {"content": 5}}]}"#,
      #"{"usage": {"prompt_tokens": -1, "completion_tokens": 5}}"#,
      #"{"usage": {"prompt_tokens": 1, "completion_tokens": 9223372036854775807}}"#,
      #"{"usage": {"prompt_tokens": 1e300, "completion_tokens": 1}}"#, #"{"usage": 3}"#, "{}",
      #"{"choices": [{"token_ids": [null, "x", 1.5], "text": ""}]}"#, #"{"error": null}"#,
    ]
    let (reader, failure) = try read(chunks.map { "data: \($0)\n\n" } + ["data: [DONE]\n\n"])
    #expect(failure == nil)
    #expect(reader.usage == nil)
    #expect(reader.tokens == [])
  }

  @Test("whole answers, and what an error says")
  func whole() throws {
    var reader = AnswerReader(isStreamed: false, keepsAnswer: true)
    #expect(reader.receive(try head(200, "application/json")) == nil)
    let body =
      #"{"choices": [{"message": {"content": "hi"}}], "#
      + #""usage": {"prompt_tokens": 1, "completion_tokens": 2}}"#
    #expect(reader.receive(Array(body.utf8), at: 5) == nil)
    #expect(reader.finish(at: 6) == nil)
    #expect(reader.text == "hi")
    #expect(reader.firstToken == nil)
    #expect(reader.usage?.completionTokens == 2)

    var refused = AnswerReader(isStreamed: true, keepsAnswer: false)
    #expect(refused.receive(try head(429, "application/json", extra: "Retry-After: 7\r\n")) == nil)
    #expect(refused.receive(Array(#"{"error": {"message": "slow"}}"#.utf8), at: 1) == nil)
    #expect(refused.finish(at: 2) == .status(429))
    #expect(refused.message == "slow")
    #expect(refused.retryAfter == "7")
    // An endless error page is cut, not kept.
    var endless = AnswerReader(isStreamed: true, keepsAnswer: false)
    #expect(endless.receive(try head(500, "text/html")) == nil)
    for _ in 0..<1_000 {
      #expect(endless.receive(Array(repeating: 65, count: 1_000), at: 1) == nil)
    }
    #expect(endless.finish(at: 2) == .status(500))
  }
}
