// From loading to the end: what the routes say, the order of an end, and an engine that is stuck or
// fails.

import Foundation
import HTTP
import JSON
import OpenAIAPI
import Platform
import Serving
import Synchronization
import Testing

@Suite("Lifecycle", .timeLimit(.minutes(5)))
struct LifecycleTests {
  private func server(_ service: Service, _ part: ServiceRoutes.Part = .all) throws -> TestServer {
    try TestServer(
      handler: AccessControl(
        AccessPolicy(), keys: APIKeys(), next: ServiceRoutes(service, part: part)))
  }

  @Test("while it loads the server is alive, not ready, and says how far it is")
  func loading() throws {
    let service = Service()
    let server = try server(service)
    #expect(try server.get("/health").json == ["status": "loading"])
    service.report(progress: 0.123)
    let ready = try server.get("/ready")
    #expect(ready.status == 503)
    #expect(ready.json == ["status": "loading", "progress": 0.12])
    let metrics = try server.get("/metrics")
    #expect(metrics.status == 200 && metrics.body.isEmpty)
    for path in ["/v1/models", "/v1/chat/completions"] {
      let answer = try server.get(path)
      #expect(answer.status == 503 && answer.header("Retry-After") == "2")
      #expect(answer.error["code"] == "model_loading")
    }
    service.begin(try TestService().model)
    #expect(try server.get("/health").json == ["status": "ok"])
    #expect(try server.get("/ready").json == ["status": "ready"])
    #expect(try server.get("/v1/models").status == 200)
    let post = try server.exchange("POST", "/health")
    #expect(post.status == 405 && post.header("Allow") == "GET, HEAD, OPTIONS")
  }

  @Test("when it drains it still answers, each time for the last time on a connection")
  func draining() throws {
    let service = Service(model: try TestService().model)
    let server = try server(service)
    service.drain()
    let ready = try server.get("/ready")
    #expect(ready.status == 503 && ready.json == ["status": "draining"])
    #expect(try server.get("/health").status == 200)
    let connection = try APIConnection(port: server.port)
    try connection.send("GET", "/v1/models", body: [], type: "a/b", keepsAlive: true)
    let answer = APIAnswer(try connection.readToEnd())
    #expect(answer.status == 200 && answer.header("Connection") == "close")
  }

  @Test("the routes of those who run the server may have an address of their own")
  func parts() throws {
    let service = Service(model: try TestService().model)
    let (api, operation) = (try server(service, .api), try server(service, .operation))
    for path in ["/health", "/ready", "/metrics"] {
      #expect(try api.get(path).status == 404)
      #expect(try operation.get(path).status == 200)
    }
    #expect(try api.get("/v1/models").status == 200)
    #expect(try operation.get("/v1/models").status == 404)
    #expect(try operation.post("/v1/completions", ["prompt": [97]]).status == 404)
  }

  @Test("the order of an end")
  func shutdown() {
    var plain = ShutdownSequence(delaySeconds: 0, drainSeconds: 9)
    #expect(plain.isDrained().isEmpty && plain.delayIsOver().isEmpty)
    #expect(plain.receiveSignal() == [.announce, .stop(seconds: 9)])
    #expect(plain.delayIsOver().isEmpty)
    #expect(plain.isDrained() == [.exit(isOrderly: true)])
    var delayed = ShutdownSequence(delaySeconds: 5, drainSeconds: 9)
    #expect(delayed.receiveSignal() == [.announce, .wait(seconds: 5)])
    #expect(delayed.delayIsOver() == [.stop(seconds: 9)])
    #expect(delayed.receiveSignal() == [.exit(isOrderly: false)])
    #expect(delayed.isDrained().isEmpty)
    var impatient = ShutdownSequence(delaySeconds: 5, drainSeconds: 9)
    _ = impatient.receiveSignal()
    #expect(impatient.receiveSignal() == [.exit(isOrderly: false)])
    #expect(impatient.delayIsOver().isEmpty)
    var lost = ShutdownSequence(delaySeconds: 5, drainSeconds: 9)
    #expect(lost.receiveFailure(seconds: 1) == [.announce, .stop(seconds: 1)])
    #expect(lost.isDrained() == [.exit(isOrderly: false)])
  }

  @Test("a stall is noticed once, and once again when it comes back")
  func stallWatch() {
    var watch = StallWatch(limit: 10)
    let ages: [Double?] = [nil, 3, 10, 11, 12, 1, 11, nil, 99]
    #expect(
      ages.map { watch.observe(age: $0) } == [
        false, false, false, true, false, false, true, false, true,
      ])
  }

  @Test("an engine that hangs is told by health, and its stack says where")
  func stall() throws {
    let test = try TestService()
    let service = Service(stallSeconds: 0.05)
    service.begin(test.model)
    let server = try server(service)
    test.alphabet.isHeld.store(true, ordering: .relaxed)
    let connection = try APIConnection(port: server.port)
    let body: JSONValue = ["prompt": [97], "max_tokens": 1]
    try connection.send(
      "POST", "/v1/completions", body: body.serialized(), type: "application/json")
    var health = try server.get("/health")
    while health.status == 200 { health = try server.get("/health") }
    #expect(health.status == 503 && health.json["status"] == "stalled")
    #expect(try server.get("/ready").status == 503)
    let stacks = ThreadStacks.capture().filter { $0.name == "engine" }
    #expect(stacks.contains { $0.frames.contains { $0.contains("AlphabetModel.compute") } })
    test.alphabet.isHeld.store(false, ordering: .relaxed)
    #expect(APIAnswer(try connection.readToEnd()).status == 200)
    while try server.get("/health").status != 200 {}
  }

  @Test("a failed pass is a 500, in a stream an error event and the end", arguments: [false, true])
  func failure(losesState: Bool) throws {
    let test = try TestService()
    let service = Service(model: test.model)
    let server = try server(service)
    let request: JSONValue = ["prompt": [97], "temperature": 0, "max_tokens": 9]
    test.alphabet.failure.withLock {
      $0 = (after: 3, PassFailure("broken", losesState: losesState))
    }
    let streamed = try server.post("/v1/completions", request.merging(["stream": true]))
    #expect(streamed.status == 200)
    let data = streamed.eventData
    #expect(data.last == "[DONE]")
    let event = try JSONValue(parsing: Array(data[data.count - 2].utf8))
    #expect(event.at("error.code") == "engine_failed" && event.at("error.type") == "server_error")
    #expect(event.at("error.message")?.stringValue?.contains("broken") == true)
    #expect(data.count > 2)
    test.alphabet.failure.withLock { $0 = (after: 0, PassFailure("broken")) }
    let whole = try server.post("/v1/completions", request)
    #expect(whole.status == 500 && whole.error["code"] == "engine_failed")
    test.alphabet.failure.withLock { $0 = nil }
    let next = try server.post("/v1/completions", request)
    #expect(next.status == (losesState ? 500 : 200))
    #expect(try server.get("/health").status == (losesState ? 503 : 200))
  }
}
