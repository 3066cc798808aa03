// What requests see of each other: the queue's order and what earlier prompts left in the cache.

import Glibc
import JSON
import OpenAIAPI
import Serving
import Synchronization
import Testing

@Suite("Priorities and the prefix cache over HTTP", .timeLimit(.minutes(5)))
struct SharedEngineTests {
  @Test("a lower priority goes first, equal ones as they came")
  func priorities() throws {
    let service = try TestService(maxSequences: 1)
    let server = try TestServer(service.model)
    service.alphabet.isHeld.store(true, ordering: .relaxed)
    var connections: [APIConnection] = []
    for (token, priority) in [(200, 9), (201, 0), (202, 5), (203, -1), (204, 0), (205, -7)] {
      let connection = try APIConnection(port: server.port)
      let body: JSONValue = [
        "prompt": [.integer(token)], "priority": .integer(priority), "stream": true,
        "temperature": 0, "max_tokens": 2,
      ]
      try connection.send(
        "POST", "/v1/completions", body: body.serialized(), type: "application/json")
      // The head of the answer comes when the request is in the engine's queue.
      #expect(try !connection.receive().isEmpty)
      connections.append(connection)
      // The first one is being computed before the others come.
      while service.model.engine.stepAge == nil { usleep(1000) }
    }
    service.alphabet.isHeld.store(false, ordering: .relaxed)
    for connection in connections { _ = try connection.readToEnd() }
    let order = service.alphabet.seen.withLock { $0.filter { $0 >= 200 } }
    #expect(order == [200, 205, 203, 201, 204, 202])
  }

  /// A prompt of 100 tokens.
  private static let prompt = JSONValue.array((0..<100).map { .integer(97 + $0 % 20) })

  private func cached(_ server: TestServer, _ members: JSONValue) throws -> Int? {
    let base: JSONValue = ["prompt": Self.prompt, "max_tokens": 3, "temperature": 0]
    let answer = try server.post("/v1/completions", base.merging(members))
    let usage = members["stream"] == nil ? answer.json["usage"] : answer.chunks.last?["usage"]
    return usage?.at("prompt_tokens_details.cached_tokens")?.integerValue
  }

  @Test("a prompt that was there before, for each salt alone")
  func salts() throws {
    let server = try TestServer(try TestService().model)
    for salt in [[:], ["cache_salt": "a"], ["cache_salt": "b"]] as [JSONValue] {
      #expect(try cached(server, salt) == 0)
      let streamed: JSONValue = ["stream": true, "stream_options": ["include_usage": true]]
      for again in [salt, salt.merging(streamed)] {
        // At least the full page; the last token is always computed, for the answer follows it.
        let hit = try #require(try cached(server, again))
        #expect((64..<100).contains(hit))
      }
    }
    let other: JSONValue = ["prompt": [[1], Self.prompt], "cache_salt": "b", "n": 2]
    #expect((64..<100).contains(try #require(try cached(server, other))))
  }

  @Test("a request may leave the cache alone: it finds nothing and leaves nothing")
  func uncached() throws {
    let service = try TestService()
    let server = try TestServer(service.model)
    let alone: JSONValue = ["cache_prompt": false]
    func metric(_ name: String, _ labels: [String: String] = [:]) throws -> Double? {
      while service.model.engine.stepAge != nil { usleep(1000) }
      let text = String(decoding: try server.get("/metrics").body, as: UTF8.self)
      return try PrometheusParser(text).value(name, labels)
    }
    #expect(try cached(server, alone) == 0)
    #expect(try metric("hadal_kv_pages", ["state": "free"]) == 8)
    #expect(try metric("vllm:prefix_cache_queries_total") == 0)
    #expect(try cached(server, [:]) == 0, "nothing was left")
    let before = service.alphabet.computed.load(ordering: .relaxed)
    #expect(try cached(server, alone) == 0, "nothing was looked up")
    #expect(service.alphabet.computed.load(ordering: .relaxed) - before >= 100)
    #expect(try cached(server, ["cache_prompt": true]) ?? 0 > 0, "what was there still is")
    #expect(try metric("vllm:prefix_cache_queries_total") == 200)
    #expect(try metric("vllm:prompt_tokens_total") == 400)
  }

  @Test("the second turn of a chat finds the first one's answer")
  func turns() throws {
    let server = try TestServer(try TestService().model)
    var messages: [JSONValue] = [
      ["role": "user", "content": .string(String(repeating: "x", count: 60))]
    ]
    let first = try server.post(
      "/v1/chat/completions", ["messages": .array(messages), "temperature": 0]
    ).json
    messages += [
      try #require(first.at("choices.0.message")), ["role": "user", "content": "And then?"],
    ]
    let second = try server.post(
      "/v1/chat/completions", ["messages": .array(messages), "temperature": 0, "max_tokens": 2]
    ).json
    let hit = try #require(
      second.at("usage.prompt_tokens_details.cached_tokens")?.integerValue)
    #expect(hit > first.at("usage.prompt_tokens")?.integerValue ?? .max)
  }

  @Test("the engine's counts reach the metrics", arguments: [true, false])
  func metrics(cachesPrefixes: Bool) throws {
    let service = try TestService(cachesPrefixes: cachesPrefixes)
    let server = try TestServer(service.model)
    #expect(try cached(server, [:]) == 0)
    let hit = try #require(try cached(server, [:]))
    #expect((hit > 0) == cachesPrefixes)
    while service.model.engine.stepAge != nil { usleep(1000) }
    let text = String(decoding: try server.get("/metrics").body, as: UTF8.self)
    let metrics = try PrometheusParser(text)
    let hits = Double(hit)
    #expect(metrics.value("vllm:prompt_tokens_total") == 200)
    #expect(metrics.value("vllm:generation_tokens_total") == 6)
    // A prompt that misses only its last token goes with the decodes.
    #expect(metrics.value("hadal_prefilled_tokens_total") == (cachesPrefixes ? 100 : 200))
    #expect(metrics.value("vllm:prefix_cache_queries_total") == (cachesPrefixes ? 200 : 0))
    #expect(metrics.value("vllm:prefix_cache_hits_total") == hits)
    #expect(metrics.value("vllm:request_success_total", ["finished_reason": "length"]) == 2)
    #expect(metrics.value("vllm:num_requests_running") == 0)
    #expect(metrics.value("vllm:num_requests_waiting") == 0)
    #expect(metrics.value("vllm:kv_cache_usage_perc") == 0)
    let kept = try #require(metrics.value("hadal_kv_pages", ["state": "cached"]))
    #expect((kept > 0) == cachesPrefixes)
    #expect(metrics.value("hadal_kv_pages", ["state": "free"]) == 8 - kept)
    // The first token of an answer follows from its prefill, each other one from a step.
    #expect(metrics.value("hadal_steps_total", ["rows": "1"]) == (cachesPrefixes ? 5 : 4))
    #expect(metrics.value("hadal_step_seconds_total", ["rows": "1"]) ?? 0 > 0)
    #expect(metrics.value("vllm:spec_decode_num_drafts_total") == 0)
  }
}
