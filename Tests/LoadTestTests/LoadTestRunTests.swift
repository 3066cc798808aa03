// Whole runs against servers that fail in every way there is a name for.

import Dispatch
import HTTP
import JSON
import LoadTest
import Platform
import Synchronization
import TestSupport
import Testing

@Suite("Load test runs", .timeLimit(.minutes(5)))
struct LoadTestRunTests {
  private static let head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

  private static func chunked(_ text: String) -> String {
    "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n"
  }

  private static func event(_ json: String) -> String { chunked("data: \(json)\n\n") }

  private static let token = event(#"{"choices": [{"delta": {"content": "word "}}]}"#)
  private static let usage = event(
    #"{"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}"#)
  private static let done = chunked("data: [DONE]\n\n") + "0\r\n\r\n"
  private static let good = head + token + token + token + usage + done

  private func plan(_ port: UInt16, _ change: (inout LoadPlan) -> Void = { _ in }) throws
    -> LoadPlan
  {
    var plan = LoadPlan(url: try HTTPURL("http://127.0.0.1:\(port)"))
    plan.traffic.model = "m"
    // A loaded machine must not make another connection than a test expects.
    plan.timeouts.idle = 60
    plan.pace.mode = .closed(concurrency: 1)
    change(&plan)
    return plan
  }

  private func run(_ plan: LoadPlan) async throws -> LoadReport {
    let test = try LoadTestRun(plan) { _ in }
    return await withCheckedContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(returning: test.run()) }
    }
  }

  @Test("good answers are summed as the server counts them")
  func sums() async throws {
    let server = try ScriptedServer { _, _ in [.send(Self.good)] }
    let report = try await run(
      plan(server.port) {
        $0.pace.requests = 20
        $0.pace.warmupRequests = 3
        $0.pace.mode = .closed(concurrency: 4)
        $0.goals.endToEnd = 60_000
      })
    server.stop()
    #expect(report.requests.started == 20)
    #expect(report.requests.succeeded == 20)
    #expect(report.requests.warmup == 3)
    #expect(!report.hasErrors)
    let json = try JSONValue(parsing: report.json.serialized())
    #expect(json["tokens"]?["output"] == 60)
    #expect(json["tokens"]?["prompt"] == 200)
    #expect(json["tokens"]?["source"] == "usage")
    #expect(json["latency_ms"]?["time_to_first_token"]?["count"] == 20)
    #expect(json["latency_ms"]?["inter_event"]?["count"] == 40)
    #expect(json["goodput"]?["share"] == 1.0)
    let points = json["timeline"]?["points"]?.arrayValue ?? []
    #expect(points.reduce(0) { $0 + ($1["succeeded"]?.integerValue ?? 0) } == 20)
    #expect(json["client"]?["connections"] == 4)
  }

  @Test("every kind of failure has its name, and refusals are none")
  func failures() async throws {
    let refusal =
      "HTTP/1.1 429 X\r\nRetry-After: 3\r\nContent-Length: 35\r\n\r\n"
      + #"{"error": {"message": "too much 1"}}"#.prefix(35)
    let server = try ScriptedServer { number, _ in
      switch number {
      case 0: [.send(Self.good)]
      case 1: [.send(refusal)]
      case 2: [.send("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")]
      case 3: [.send("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")]
      case 4: [.send(Self.head + Self.token), .reset]
      case 5: [.send(Self.head + Self.token), .close]
      case 6: [.send(Self.head + Self.token + "0\r\n\r\n")]
      case 7: [.send(Self.head + Self.event("{"))]
      case 8: [.send(Self.head + Self.event(#"{"error": {"message": "lost"}}"#))]
      case 9: [.send("nonsense\r\n")]
      case 10: [.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")]
      default: []
      }
    }
    let report = try await run(plan(server.port) { $0.pace.requests = 11 })
    server.stop()
    let kinds = Dictionary(
      uniqueKeysWithValues: (report.errors + report.refusals).map {
        ($0.failure.key, $0.count.count)
      })
    #expect(
      kinds == [
        "status_429": 1, "status_503": 1, "status_500": 1, "connection_reset": 1,
        "closed_early": 1, "missing_done": 1, "malformed_answer": 2, "error_event": 1,
        "malformed_http": 1,
      ])
    #expect(report.requests.refused == 2)
    #expect(report.requests.failed == 8)
    #expect(report.requests.succeeded == 1)
    #expect(report.hasErrors)
    #expect(report.refusals.first { $0.failure == .status(429) }?.count.retryAfterSeconds == 3...3)
    #expect(report.errors.first { $0.failure == .errorEvent }?.count.message == "lost")
  }

  @Test("an answer that stops in the middle times out")
  func timeout() async throws {
    let server = try ScriptedServer { _, _ in [.send(Self.head + Self.token)] }
    let report = try await run(
      plan(server.port) {
        $0.pace.requests = 1
        $0.timeouts.answer = 0.2
      })
    server.stop()
    #expect(report.errors.map(\.failure.key) == ["timeout"])
  }

  @Test("a server that is not there is refused connections, without haste")
  func refused() async throws {
    let held = try HeldPort()
    let report = try await run(plan(held.port) { $0.pace.requests = 3 })
    #expect(report.errors.map(\.failure.key) == ["connection_refused"])
    #expect(report.requests.failed == 3)
    #expect(throws: LoadTestError.self) {
      try LoadTestRun(plan(held.port) { $0.traffic.model = nil }) { _ in }
    }
  }

  @Test("requests carry standard fields alone, and turns send answers again")
  func requests() async throws {
    let bodies = Mutex<[String]>([])
    let server = try ScriptedServer { _, request in
      bodies.withLock { $0.append(request) }
      return [.send(Self.good)]
    }
    _ = try await run(
      plan(server.port) {
        $0.pace.requests = 4
        $0.traffic.turns = 3
        $0.traffic.headers = ["Authorization": "Bearer secret"]
      })
    server.stop()
    let requests = bodies.withLock { $0 }
    let values = try requests.map { request in
      let body = request.split(separator: "\r\n\r\n", maxSplits: 1)[1]
      return try JSONValue(parsing: Array(body.utf8))
    }
    for (request, value) in zip(requests, values) {
      #expect(request.hasPrefix("POST /v1/chat/completions HTTP/1.1\r\n"))
      #expect(request.contains("Authorization: Bearer secret\r\n"))
      #expect(
        value.objectValue?.keys == ["model", "messages", "max_tokens", "stream", "stream_options"])
    }
    #expect(values.map { $0["messages"]?.arrayValue?.count } == [1, 3, 5, 1])
    #expect(values[2]["messages"]?.arrayValue?[1]["content"] == "word word word ")
    #expect(
      values[2]["messages"]?.arrayValue?[..<3] == values[1]["messages"]?.arrayValue?[...])
  }

  @Test("a stop gives up what is in work, and still reports")
  func stop() async throws {
    let server = try ScriptedServer { number, _ in number < 3 ? [.send(Self.good)] : [] }
    let plan = try plan(server.port) { $0.pace.requests = 1_000 }
    let box = Mutex<LoadTestRun?>(nil)
    // The first progress comes when the fourth request hangs.
    let test = try LoadTestRun(plan) { progress in
      if progress.succeeded == 3 { box.withLock { $0 }?.stop() }
    }
    box.withLock { $0 = test }
    let report = await withCheckedContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(returning: test.run()) }
    }
    box.withLock { $0 = nil }
    server.stop()
    #expect(report.requests.succeeded == 3)
    #expect(report.requests.cancelled == 1)
    #expect(!report.hasErrors)
    #expect(report.json["interrupted"] == true)
  }

  @Test("the HTML report needs nothing else, and escapes what came from outside")
  func html() async throws {
    let hostile = #"</style><script src=\"http://x/\">alert(1)</script>"#
    let body = #"{"error": {"message": "\#(hostile)"}}"#
    let server = try ScriptedServer { number, _ in
      number % 2 == 0
        ? [.send(Self.good)]
        : [.send("HTTP/1.1 400 X\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")]
    }
    let report = try await run(
      plan(server.port) {
        $0.pace.requests = 6
        $0.traffic.model = "<b>&'\""
        $0.traffic.headers = ["Authorization": "Bearer secret"]
        $0.goals.endToEnd = 0.001
      })
    server.stop()
    let html = report.html
    #expect(html.contains("&lt;script src="))
    for forbidden in [
      "<script", "src=", "@import", "url(", "secret", "<b>&", "NaN", "inf", "http-equiv",
    ] {
      let found = html.replacing("&lt;script src=", with: "")
      #expect(!found.contains(forbidden), "\(forbidden)")
    }
    #expect(html.split(separator: "<svg ").count - 1 >= 8)
    for tag in ["svg", "table", "figure", "div", "path", "text"] {
      let opened = html.split(separator: "<\(tag)").count - 1
      let closed = html.split(separator: "</\(tag)>").count - 1
      if tag != "path" { #expect(opened == closed, "\(tag)") }
    }
    #expect(!report.json.text.contains("secret"))
  }

  @Test("a run without any answer still makes a report")
  func nothing() async throws {
    let server = try ScriptedServer { _, _ in [.close] }
    let report = try await run(plan(server.port) { $0.pace.requests = 1 })
    server.stop()
    #expect(report.requests.failed == 1)
    #expect(report.html.contains("closed early"))
    #expect(report.json["latency_ms"]?["end_to_end"]?["count"] == 0)
  }
}
