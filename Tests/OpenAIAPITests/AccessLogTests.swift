// The access log and request ids over HTTP: what every request leaves behind.

import Dispatch
import Foundation
import Glibc
import HTTP
import JSON
import OpenAIAPI
import Platform
import Serving
import Synchronization
import TestSupport
import Testing

/// Keeps the lines of a log.
private final class Lines: Sendable {
  private let lines = Mutex<[[UInt8]]>([])
  private let news = DispatchSemaphore(value: 0)

  func sink(logsTexts: Bool = false) -> AccessLogSink {
    AccessLogSink(logsTexts: logsTexts, time: { "2026-01-02T03:04:05.678Z" }) { line in
      self.lines.withLock { $0.append(line) }
      self.news.signal()
    }
  }

  /// The next line as JSON; it must be exactly one line.
  func next() throws -> JSONValue {
    try #require(news.wait(timeout: .now() + 60) == .success)
    let line = lines.withLock { $0.removeFirst() }
    #expect(line.last == UInt8(ascii: "\n") && !line.dropLast().contains(UInt8(ascii: "\n")))
    return try JSONValue(parsing: Array(line.dropLast()))
  }

  var isEmpty: Bool { lines.withLock { $0.isEmpty } }
}

@Suite("Access log", .timeLimit(.minutes(5)))
struct AccessLogTests {
  /// One exchange with header lines as they are.
  private func exchange(
    _ server: TestServer, _ first: String, _ headers: [String] = [], body: String = ""
  ) throws -> APIAnswer {
    let socket = try Socket.connect(
      to: .resolve(host: "127.0.0.1", port: server.port), timeout: 60)
    let all = ["Host: test", "Connection: close", "Content-Length: \(body.utf8.count)"] + headers
    let text = ([first + " HTTP/1.1"] + all).joined(separator: "\r\n") + "\r\n\r\n" + body
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty { rest = rest.dropFirst(try socket.send(rest) ?? 0) }
    var bytes: [UInt8] = []
    while let more = try socket.receive(upTo: 1 << 16), !more.isEmpty { bytes += more }
    return APIAnswer(bytes)
  }

  private func id(_ answer: APIAnswer) -> String? {
    let lines = answer.head.components(separatedBy: "\r\n")
    let ids = lines.filter { $0.lowercased().hasPrefix("x-request-id: ") }
    return ids.count == 1 ? String(ids[0].dropFirst("x-request-id: ".count)) : nil
  }

  @Test("a generation leaves its tokens, times and ends; nothing of its text")
  func generation() throws {
    let (service, lines) = (try TestService(), Lines())
    let server = try TestServer(service.model, accessLog: lines.sink())
    let body = #"{"prompt": "xyzx", "n": 2, "max_tokens": 3, "temperature": 0, "stop": "secret"}"#
    let answer = try exchange(
      server, "POST /v1/completions?key=hidden",
      ["X-Request-Id: my-own.id", "User-Agent: test/1 \"x\""], body: body)
    #expect(answer.status == 200 && id(answer) == "my-own.id")
    let line = try lines.next()
    let expected: JSONValue = [
      "time": "2026-01-02T03:04:05.678Z", "request_id": "my-own.id", "method": "POST",
      "path": "/v1/completions", "status": 200, "bytes": .integer(answer.body.count),
      "user_agent": "test/1 \"x\"", "model": "alphabet",
    ]
    let members = try #require(expected.objectValue).members
    for (key, value) in members { #expect(line[key] == value, "\(key)") }
    let usage = try #require(answer.json["usage"])
    #expect(line["prompt_tokens"] == usage["prompt_tokens"])
    #expect(line["generated_tokens"] == usage["completion_tokens"])
    #expect(line["cached_tokens"] == usage.at("prompt_tokens_details.cached_tokens"))
    let reasons = try #require(answer.json["choices"]?.arrayValue).compactMap {
      $0["finish_reason"]
    }
    #expect(line["finish_reasons"]?.arrayValue == reasons)
    func seconds(_ name: String) -> Double { line[name]?.doubleValue ?? -1 }
    let (queue, first) = (seconds("queue_seconds"), seconds("ttft_seconds"))
    #expect(queue >= 0 && first >= queue && seconds("prefill_seconds") >= 0)
    #expect(seconds("decode_seconds") >= 0)
    #expect(seconds("duration_seconds") >= first)
    #expect(line["peer"]?.stringValue?.hasPrefix("127.0.0.1:") == true)
    #expect(!line.text.contains("xyz") && !line.text.contains("hidden"))
    #expect(!line.text.contains("secret") && line["answers"] == nil)
  }

  @Test("asked for, prompts and answers are in the line, up to a bound")
  func texts() throws {
    let (service, lines) = (try TestService(), Lines())
    let server = try TestServer(service.model, accessLog: lines.sink(logsTexts: true))
    let answer = try server.post(
      "/v1/completions", ["prompt": "a\nb", "max_tokens": 3, "temperature": 0, "stream": true])
    #expect(answer.status == 200)
    let line = try lines.next()
    #expect(line["prompts"] == ["a\nb"])
    #expect(line["answers"] == ["cde"])
    #expect(line["finish_reasons"] == ["length"])
  }

  @Test("a client that leaves is logged with what it got")
  func gone() throws {
    let (service, lines) = (try TestService(), Lines())
    let server = try TestServer(service.model, accessLog: lines.sink())
    service.alphabet.isHeld.store(true, ordering: .relaxed)
    do {
      let connection = try APIConnection(port: server.port)
      let body: JSONValue = ["prompt": [[97], [98]], "max_tokens": 250]
      try connection.send(
        "POST", "/v1/completions", body: body.serialized(), type: "application/json")
      while service.model.engine.stepAge == nil { usleep(1000) }
    }
    let line = try lines.next()
    service.alphabet.isHeld.store(false, ordering: .relaxed)
    #expect(line["status"] == 499 && line["client_gone"] == true)
    #expect(line["finish_reasons"] == ["abort", "abort"])
    #expect(line["ttft_seconds"] == nil)
  }

  @Test("every answer carries an id, whatever its status, and its line has the same")
  func everyStatus() throws {
    let (service, lines) = (try TestService(), Lines())
    let server = try TestServer(service.model, accessLog: lines.sink())
    let requests: [(String, String, Int)] = [
      ("GET /health", "", 200), ("HEAD /health", "", 200), ("GET /none", "", 404),
      ("POST /health", "", 405), ("POST /v1/completions", "{", 400),
      ("POST /v1/completions", #"{"prompt": "a", "stream": true, "max_tokens": 1}"#, 200),
      ("GET /v1/models/none", "", 404), ("GET /metrics", "", 200),
    ]
    for (first, body, status) in requests {
      let answer = try exchange(server, first, ["X-Request-ID: given"], body: body)
      #expect(answer.status == status && id(answer) == "given", "\(first)")
      let line = try lines.next()
      #expect(line["request_id"] == "given" && line["status"] == .integer(status))
      let made = try exchange(server, first, body: body)
      let name = try #require(id(made))
      #expect(name.hasPrefix("req_") && name.utf8.count == 36)
      #expect(try lines.next()["request_id"] == .string(name))
    }
    // What the HTTP layer refuses by itself.
    for (first, headers, status) in [
      ("BREW /", [], 501), ("GET /", ["Content-Length: x"], 400),
      ("GET /" + String(repeating: "a", count: 20_000), [], 414),
    ] {
      let answer = try exchange(server, first, headers)
      let name = try #require(id(answer))
      #expect(answer.status == status && name.hasPrefix("req_"))
      let line = try lines.next()
      #expect(line["request_id"] == .string(name) && line["status"] == .integer(status))
      #expect(line["error"]?.stringValue?.isEmpty == false)
      #expect(line["peer"]?.stringValue?.hasPrefix("127.0.0.1:") == true)
    }
    #expect(lines.isEmpty)
    let metrics = try PrometheusParser(
      String(decoding: try server.get("/metrics").body, as: UTF8.self))
    func count(_ route: String, _ status: Int) -> Double? {
      metrics.serverValue("hadal_http_requests_total", ["route": route, "status": "\(status)"])
    }
    #expect(count("/health", 200) == 4 && count("/health", 405) == 2)
    #expect(count("other", 404) == 2 && count("/v1/models/{model}", 404) == 2)
    #expect(count("/v1/completions", 400) == 2 && count("/v1/completions", 200) == 2)
    #expect(count("none", 414) == 1 && count("none", 501) == 1)
    #expect(metrics.serverValue("hadal_http_requests_in_flight") == 1)
  }

  @Test(
    "ids that are no ids are replaced",
    arguments: [
      "", " ", "a b", "é", "a\u{7F}", String(repeating: "x", count: 129), "a\tb", "\u{1B}[31m",
    ])
  func replacedIDs(given: String) throws {
    let lines = Lines()
    let server = try TestServer(try TestService().model, accessLog: lines.sink())
    let answer = try exchange(server, "GET /health", ["X-Request-Id: \(given)"])
    // Control characters are the HTTP layer's to refuse.
    #expect([200, 400].contains(answer.status))
    #expect(id(answer)?.hasPrefix("req_") == true)
    #expect(try lines.next()["request_id"]?.stringValue?.hasPrefix("req_") == true)
  }

  @Test("of two ids none is taken; one of 128 characters is")
  func boundaries() throws {
    let server = try TestServer(try TestService().model)
    let two = try exchange(server, "GET /health", ["X-Request-Id: a", "X-Request-Id: b"])
    #expect(id(two)?.hasPrefix("req_") == true)
    let longest = String(repeating: "~", count: 128)
    #expect(id(try exchange(server, "GET /health", ["X-Request-Id: \(longest)"])) == longest)
  }

  @Test("random user agents and paths stay inside their strings, and each request is one line")
  func hostileText() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    let lines = Lines()
    let server = try TestServer(try TestService().model, accessLog: lines.sink())
    let pieces = [
      "\"", "\\", "\",\"status\":200,\"x\":\"", "\\u000a", "{}", "\u{9B}31m", "\u{202E}", "é",
      "\u{1F426}", "%0a%0d", "'", "\u{2028}", "$(id)", "<script>", "\t",
    ]
    for _ in 0..<60 {
      let agent = (0..<Int.random(in: 1...80, using: &g)).map { _ in
        pieces.randomElement(using: &g) ?? ""
      }.joined()
      let path =
        "/"
        + (0..<Int.random(in: 0...400, using: &g)).map { _ in
          ["\"", "\\", "{", "%", "'", "a"].randomElement(using: &g) ?? ""
        }.joined()
      let answer = try exchange(server, "GET \(path)", ["User-Agent: x\(agent)x"])
      let line = try lines.next()
      #expect(line["status"] == .integer(answer.status), "seed \(seed)")
      guard answer.status == 404 else { continue }
      let logged = try #require(line["path"]?.stringValue)
      #expect(path.hasPrefix(logged) && logged.utf8.count <= 512, "seed \(seed)")
      let scalars = line.text.unicodeScalars.map(\.value)
      #expect(!scalars.contains { (0x7F...0x9F).contains($0) || $0 < 0x20 }, "seed \(seed)")
      #expect(!scalars.contains { (0x2028...0x202E).contains($0) }, "seed \(seed)")
      #expect((line["user_agent"]?.stringValue?.utf8.count ?? 0) <= 3 * 512, "seed \(seed)")
    }
    #expect(lines.isEmpty)
  }

  @Test("histograms count ended answers by choice and requests once")
  func spans() throws {
    let service = try TestService()
    let server = try TestServer(service.model)
    for members: JSONValue in [["n": 2], ["max_tokens": 1], ["stop": "d", "max_tokens": 9]] {
      let base: JSONValue = ["prompt": [97], "temperature": 0, "max_tokens": 4]
      #expect(try server.post("/v1/completions", base.merging(members)).status == 200)
    }
    let metrics = try PrometheusParser(
      String(decoding: try server.get("/metrics").body, as: UTF8.self))
    for name in [
      "e2e_request_latency_seconds", "request_queue_time_seconds", "request_prefill_time_seconds",
      "request_decode_time_seconds", "request_inference_time_seconds", "request_prompt_tokens",
      "request_generation_tokens", "request_params_max_tokens",
      "request_prefill_kv_computed_tokens",
    ] {
      #expect(metrics.value("vllm:\(name)_count") == 4, "\(name)")
      #expect(metrics.value("vllm:\(name)_bucket", ["le": "+Inf"]) == 4, "\(name)")
    }
    #expect(metrics.value("vllm:request_time_per_output_token_seconds_count") == 3)
    #expect(metrics.value("vllm:request_prompt_tokens_sum") == 4)
    #expect(metrics.value("vllm:request_params_max_tokens_sum") == Double(4 + 4 + 1 + 9))
    // b, c, d: a stop string ends an answer with the token that completes it.
    #expect(metrics.value("vllm:request_generation_tokens_sum") == Double(4 + 4 + 1 + 3))
    #expect(metrics.value("vllm:request_params_n_count") == 3)
    #expect(metrics.value("vllm:request_params_n_sum") == 4)
    #expect(metrics.value("vllm:request_max_num_generation_tokens_sum") == Double(4 + 1 + 3))
    #expect(metrics.value("vllm:time_to_first_token_seconds_count") == 4)
    let cache = ["block_size": "64", "enable_prefix_caching": "True", "num_gpu_blocks": "8"]
    let info = cache.merging(["engine": "0"]) { $1 }
    #expect(metrics.serverValue("vllm:cache_config_info", info) == 1)
  }
}
