// Reads one answer of an OpenAI-style server, whole or streamed, and notes when its tokens came
// (platform.openai.com/docs/api-reference/chat-streaming). A struct without clock and IO.

import HTTP
import JSON

package struct AnswerReader {
  private let isStreamed: Bool
  private let keepsAnswer: Bool
  private var stream = EventStreamParser()
  /// The body of an answer that is not streamed, or the beginning of one that reports an error.
  private var body: [UInt8] = []
  private var bodyLimit = LoadLimits.answerBytes
  private var head: ResponseHead?
  private var isDone = false

  /// Nanoseconds of the clock at the first and the last piece of answer.
  package private(set) var firstToken: UInt64?
  package private(set) var lastToken: UInt64 = 0
  /// Events with a piece of answer in them.
  package private(set) var tokenEvents = 0
  /// Nanoseconds between them, one less than there are.
  package private(set) var gaps: [UInt64] = []
  package private(set) var text = ""
  package private(set) var tokens: [Int] = []
  package private(set) var usage: Usage?
  /// What the server said about its failure.
  package private(set) var message: String?

  /// Token counts as the server gives them.
  package struct Usage: Equatable, Sendable {
    package let promptTokens: Int
    package let completionTokens: Int
    package let cachedTokens: Int?
  }

  /// - Parameter keepsAnswer: whether the answer will be sent again in a later turn.
  package init(isStreamed: Bool, keepsAnswer: Bool) {
    self.isStreamed = isStreamed
    self.keepsAnswer = keepsAnswer
  }

  var status: Int? { head?.status }
  /// The Retry-After field's value (RFC 9110, section 10.2.3).
  package var retryAfter: String? { head?.headers["retry-after"] }

  /// Status and header. A status other than 200 is told at the end, when its message has come.
  package mutating func receive(_ head: ResponseHead) -> Failure? {
    self.head = head
    guard head.status == 200 else {
      bodyLimit = LoadLimits.errorBytes
      return nil
    }
    guard isStreamed else { return nil }
    let type = head.headers["content-type"]?.lowercased() ?? ""
    guard type.hasPrefix(ServerSentEvents.contentType) else {
      message = "content type '\(type)' in place of an event stream"
      return .malformedAnswer
    }
    return nil
  }

  /// A piece of body that came at a time; the failure that ends the answer, if it does.
  package mutating func receive(_ bytes: [UInt8], at time: UInt64) -> Failure? {
    guard isStreamed, status == 200 else {
      if body.count + bytes.count > bodyLimit, status == 200 { return .tooLarge }
      body += bytes.prefix(bodyLimit - body.count)
      return nil
    }
    do throws(HTTPClientError) {
      for event in try stream.receive(bytes) {
        if let failure = take(event, at: time) { return failure }
      }
    } catch {
      message = error.description
      return Failure(error)
    }
    return nil
  }

  /// The end of the body; nil when the answer is whole.
  package mutating func finish(at time: UInt64) -> Failure? {
    guard let head else { return .malformedHTTP }
    guard head.status == 200 else {
      message = (try? JSONValue(parsing: body, limits: Self.limits)).flatMap(Self.errorMessage)
      return .status(head.status)
    }
    if isStreamed { return isDone ? nil : .missingDone }
    guard let value = parse(body) else { return .malformedAnswer }
    if let failure = takeError(value) { return failure }
    guard value["choices"]?.arrayValue != nil else {
      message = "no choices"
      return .malformedAnswer
    }
    take(value, at: time)
    // When its first token was ready is unknown.
    firstToken = nil
    return nil
  }

  // MARK: - Events

  private static let done = Array("[DONE]".utf8)
  private static let limits = JSONLimits(
    bytes: LoadLimits.answerBytes, depth: LoadLimits.jsonDepth)

  private mutating func take(_ event: ServerSentEvent, at time: UInt64) -> Failure? {
    if isDone { return nil }
    if event.data == Self.done {
      isDone = true
      return nil
    }
    guard let value = parse(event.data) else { return .malformedAnswer }
    if let failure = takeError(value) { return failure }
    take(value, at: time)
    return nil
  }

  private mutating func parse(_ bytes: [UInt8]) -> JSONValue? {
    do throws(JSONError) {
      let value = try JSONValue(parsing: bytes, limits: Self.limits)
      if value.objectValue != nil { return value }
      message = "not an object"
    } catch {
      message = error.description
    }
    return nil
  }

  private mutating func takeError(_ value: JSONValue) -> Failure? {
    guard let error = value["error"], !error.isNull else { return nil }
    message = Self.errorMessage(value)
    return .errorEvent
  }

  /// OpenAI's form of an error, or what some servers send instead.
  private static func errorMessage(_ value: JSONValue) -> String? {
    value["error"]?["message"]?.stringValue ?? value["error"]?.stringValue
      ?? value["message"]?.stringValue ?? value["detail"]?.stringValue
  }

  /// One chunk, or a whole answer.
  private mutating func take(_ value: JSONValue, at time: UInt64) {
    if let usage = Usage(value["usage"]) { self.usage = usage }
    guard let choice = value["choices"]?.arrayValue?.first else { return }
    let part = choice["delta"] ?? choice["message"] ?? choice
    var isToken = false
    for key in ["content", "text", "reasoning_content", "reasoning", "refusal"] {
      guard let piece = part[key]?.stringValue, !piece.isEmpty else { continue }
      isToken = true
      // What a model thought is not part of what is sent back to it.
      if keepsAnswer, key == "content" || key == "text" { text += piece }
    }
    if let calls = part["tool_calls"]?.arrayValue, !calls.isEmpty { isToken = true }
    if let ids = choice["token_ids"]?.arrayValue, !ids.isEmpty {
      isToken = true
      if keepsAnswer { tokens += ids.compactMap(\.integerValue) }
    }
    if isToken { noteToken(at: time) }
  }

  private mutating func noteToken(at time: UInt64) {
    tokenEvents += 1
    if firstToken == nil { firstToken = time } else { gaps.append(time - lastToken) }
    lastToken = time
  }
}

extension AnswerReader.Usage {
  /// The `usage` member; nil where there is none, or its counts are none.
  init?(_ value: JSONValue?) {
    guard let prompt = value?["prompt_tokens"]?.integerValue,
      let completion = value?["completion_tokens"]?.integerValue,
      (0...LoadLimits.usage).contains(prompt), (0...LoadLimits.usage).contains(completion)
    else { return nil }
    promptTokens = prompt
    completionTokens = completion
    let cached = value?["prompt_tokens_details"]?["cached_tokens"]?.integerValue
    cachedTokens = cached.flatMap { (0...LoadLimits.usage).contains($0) ? $0 : nil }
  }
}
