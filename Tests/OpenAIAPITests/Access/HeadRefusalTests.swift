// What the head of a request decides is answered before its body has come.

import Foundation
import HTTP
import JSON
import OpenAIAPI
import Synchronization
import Testing

@Suite("Refusals by the head")
struct HeadRefusalTests {
  /// Sends the head of a request with a large body and nothing of that; the whole answer.
  private func ask(
    _ guarded: GuardedServer, _ line: String, _ fields: [String] = []
  ) throws -> APIAnswer {
    let connection = try APIConnection(port: guarded.server.port)
    let lines = ["\(line) HTTP/1.1", "Host: test", "Content-Length: 1000000"] + fields
    try connection.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
    return APIAnswer(try connection.readToEnd())
  }

  private static let key = "Authorization: Bearer sk-alice"

  @Test(
    "key, route, method and type are looked at before the body",
    arguments: [
      ("POST /v1/completions", [], 401), ("POST /v1/chat/completions", ["Authorization: x"], 401),
      ("POST /nowhere", [], 401), ("POST /nowhere", [key], 404), ("PUT /tokenize", [key], 405),
      ("POST /v1/models", [key], 405), ("POST /health", [], 405), ("GET /v1/models", [key], 200),
      ("POST /v1/completions", [key, "Content-Type: text/plain"], 415),
    ] as [(String, [String], Int)])
  func table(line: String, fields: [String], status: Int) throws {
    let guarded = try GuardedServer(keys: AccessControlTests.keys)
    for expectation in [[], ["Expect: 100-continue"]] {
      let answer = try ask(guarded, line, fields + expectation)
      #expect(answer.status == status && answer.header("Connection") == "close")
      #expect(!answer.json.isNull)
    }
    #expect(guarded.server.statistics.heldBytes == 0)
  }

  @Test("a foreign Host is refused before the body, and so is who asks too often")
  func others() throws {
    let foreign = try GuardedServer(change: { $0.hosts = .names(["api.example.com"]) })
    #expect(try ask(foreign, "POST /v1/completions").status == 421)

    let now = Mutex<UInt64>(1)
    let guarded = try GuardedServer(
      limits: ClientLimits(requestsPerMinute: 1), clock: { now.withLock { $0 } })
    #expect(try guarded.complete().status == 200)
    let refused = try ask(guarded, "POST /v1/completions")
    #expect(refused.status == 429 && refused.header("Retry-After") == "60")
    now.withLock { $0 += 60_000_000_000 }
    #expect(try guarded.complete().status == 200, "a refusal costs nothing")
  }

  @Test("a request holds its place while its body is on the way, and gives it back")
  func place() throws {
    let guarded = try GuardedServer(limits: ClientLimits(concurrentRequests: 1))
    var slow: APIConnection? = try APIConnection(port: guarded.server.port)
    let head = "POST /v1/completions HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n"
    try slow?.send(Array((head + "Content-Length: 100\r\n\r\n").utf8))
    let leave = try #require(try slow?.receive())
    #expect(String(decoding: leave, as: UTF8.self) == "HTTP/1.1 100 Continue\r\n\r\n")
    #expect(try guarded.complete().status == 429)
    slow = nil
    while try guarded.complete().status == 429 {}
  }
}
