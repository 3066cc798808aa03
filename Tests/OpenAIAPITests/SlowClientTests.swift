// Clients that read slowly, wait for long or go away, and what the engine does for them.

import Glibc
import HTTP
import JSON
import OpenAIAPI
import Serving
import Synchronization
import Testing

@Suite("Slow, patient and vanished clients", .timeLimit(.minutes(5)))
struct SlowClientTests {
  /// About eight megabytes of events: more than sockets on this machine swallow.
  private static let large: JSONValue = [
    "prompt": [97], "temperature": 0, "max_tokens": 250, "ignore_eos": true, "stream": true,
    "logprobs": 20, "n": 16,
  ]
  private static let small: JSONValue = ["prompt": [98], "temperature": 0, "max_tokens": 5]

  private func send(
    _ body: JSONValue, to server: TestServer
  ) throws -> APIConnection {
    let connection = try APIConnection(port: server.port)
    try connection.send(
      "POST", "/v1/completions", body: body.serialized(), type: "application/json")
    return connection
  }

  /// Waits until the engine rests, for somebody does not read. What the connection still takes may
  /// wake it again.
  private func awaitPause(_ engine: EngineHandle) -> EngineStatistics {
    while true {
      let now = engine.statistics
      if engine.stepAge == nil, now.runningSequences == 0, now.waitingSequences == 0,
        now.pausedSequences > 0 || now.generatedTokens >= 16 * 250
      {
        return now
      }
      usleep(1000)
    }
  }

  private var tightLimits: HTTPLimits {
    var limits = HTTPLimits()
    limits.highWaterBytes = 2048
    return limits
  }

  @Test("an unread answer pauses, stands in nobody's way, and is whole in the end")
  func pause() throws {
    let service = try TestService(streamBacklog: 8)
    let server = try TestServer(service.model, limits: tightLimits)
    let slow = try send(Self.large, to: server)
    let engine = service.model.engine
    var waiting: EngineStatistics
    // At last there is a time when the answer costs no step.
    repeat {
      waiting = awaitPause(engine)
      try #require(waiting.generatedTokens < 16 * 250)
      let other = try server.post("/v1/completions", Self.small)
      #expect(other.json.at("choices.0.text") == "cdefg")
    } while engine.statistics.generatedTokens != waiting.generatedTokens + 5
    let answer = APIAnswer(try slow.readToEnd())
    #expect(answer.eventData.last == "[DONE]")
    var texts: [Int: String] = [:]
    for chunk in answer.chunks {
      guard let choice = chunk.at("choices.0.index")?.integerValue else { continue }
      texts[choice, default: ""] += chunk.at("choices.0.text")?.stringValue ?? ""
    }
    let whole = try server.post(
      "/v1/completions", Self.large.merging(["stream": false, "logprobs": nil, "n": 1]))
    let expected = whole.json.at("choices.0.text")?.stringValue
    #expect(texts.count == 16 && texts.values.allSatisfy { $0 == expected })
  }

  @Test("a client that never reads is given up, and its answer with it")
  func never() throws {
    let service = try TestService(streamBacklog: 8)
    var timeouts = HTTPTimeouts()
    timeouts.send = 0.5
    let server = try TestServer(service.model, limits: tightLimits, timeouts: timeouts)
    let stuck = try send(Self.large, to: server)
    let engine = service.model.engine
    // Some of the 16 may be done before the connection is full. The engine says how many are paused
    // at the end of its step.
    var ended: EngineStatistics
    repeat {
      usleep(1000)
      ended = engine.statistics
    } while ended.cancelled + ended.lengthReached < 16 || ended.pausedSequences > 0
    #expect(server.statistics.timedOut == [.send: 1])
    #expect(ended.cancelled > 0 && ended.generatedTokens < 16 * 250)
    withExtendedLifetime(stuck) {}
  }

  @Test("a stream that waits in the queue or for its prompt is kept alive by comments")
  func keepAlive() throws {
    let service = try TestService(maxSequences: 1)
    var timeouts = HTTPTimeouts()
    timeouts.silence = 0.05
    let server = try TestServer(service.model, timeouts: timeouts)
    service.alphabet.isHeld.store(true, ordering: .relaxed)
    // The first is in its prefill, the second one in the queue.
    let connections = try (0..<2).map { _ in
      try send(Self.small.merging(["stream": true]), to: server)
    }
    var received: [[UInt8]] = [[], []]
    for (index, connection) in connections.enumerated() {
      while String(decoding: received[index], as: UTF8.self)
        .split(separator: ": keep-alive\n\n").count < 3
      { received[index] += try connection.receive() }
    }
    service.alphabet.isHeld.store(false, ordering: .relaxed)
    for (index, connection) in connections.enumerated() {
      let answer = APIAnswer(received[index] + (try connection.readToEnd()))
      let events = answer.eventData
      // `eventData` takes the length of "data: " off a comment, too.
      #expect(events.prefix { $0 == "-alive" }.count >= 2)
      let data = events.filter { $0.hasPrefix("{") }
      #expect(data.compactMap { try? JSONValue(parsing: Array($0.utf8)) }.count == data.count)
      #expect(events.last == "[DONE]")
    }
  }

  @Test("a client that goes during a long prompt ends it, and what was computed stays cached")
  func vanished() throws {
    let service = try TestService()
    let server = try TestServer(service.model)
    let prompt = JSONValue.array((0..<200).map { .integer(97 + $0 % 20) })
    let body = Self.small.merging(["prompt": prompt, "max_tokens": 1])
    // Chunks have 64 rows: hold the engine in the second one.
    service.alphabet.rowsUntilHold.store(64, ordering: .relaxed)
    var connection: APIConnection? = try send(body, to: server)
    while service.alphabet.computed.load(ordering: .relaxed) == 0 { usleep(1000) }
    withExtendedLifetime(connection) {}
    connection = nil
    while server.statistics.openConnections > 0 { usleep(1000) }
    service.alphabet.rowsUntilHold.store(.max, ordering: .relaxed)
    while service.model.engine.stepAge != nil { usleep(1000) }
    let computed = service.alphabet.computed.load(ordering: .relaxed)
    #expect(computed < 200, "nobody waited for it")
    #expect(service.model.engine.statistics.cancelled == 1)
    let again = try server.post("/v1/completions", body)
    let cached = again.json.at("usage.prompt_tokens_details.cached_tokens")?.integerValue ?? 0
    #expect(cached >= 64 && cached <= computed)
  }
}
