// Which answers are coded: the client's wish, and what the answer is.

import Foundation
import HTTP
import Testing

@Suite("Coding of answers")
struct ContentCodingTests {
  @Test(
    "Accept-Encoding (RFC 9110, section 12.5.3)",
    arguments: [
      (nil, .identity), ("", .identity), ("gzip", .gzip), ("GZIP", .gzip), ("x-gzip", .gzip),
      ("gzip, deflate, br, zstd", .gzip), ("deflate, br", .identity), ("identity", .identity),
      ("compress, gzip", .gzip), ("compress;q=0.5, gzip;q=1.0", .gzip), ("*", .gzip),
      ("gzip;q=0", .identity), ("gzip;q=0.000", .identity), ("gzip;q=0, *", .identity),
      ("gzip;q=0.001", .gzip), ("gzip ; q=0.5", .gzip), ("gzip;Q=0.5", .gzip),
      ("gzip;q=0.5, identity", .identity), ("gzip;q=0.5, identity;q=0.5", .gzip),
      ("gzip;q=0.5, identity;q=0.6", .identity), ("gzip;q=0.5, *", .identity),
      ("gzip;q=1.0, identity; q=0.5, *;q=0", .gzip), ("*;q=0", .identity),
      ("gzip, identity;q=0", .gzipOnly), ("gzip, *;q=0", .gzipOnly), ("identity;q=0, *", .gzipOnly),
      ("identity;q=0", .identity), ("gzip;q=0, identity;q=0", .identity),
      // What is not a weight takes the coding away with it.
      ("gzip;q=2", .identity), ("gzip;q=1.001", .identity), ("gzip;q=0.1234", .identity),
      ("gzip;q=", .identity), ("gzip;q=-1", .identity), ("gzip;q=.5", .identity),
      ("gzip;q=1,0", .gzip), ("gzip;x=1", .identity), ("gzip;q=1;x=2", .identity),
      (";q=1", .identity), ("gzip;", .identity), ("gzipped", .identity), ("gzip;q=1.", .gzip),
    ] as [(String?, AcceptEncoding.Choice)])
  func negotiation(field: String?, choice: AcceptEncoding.Choice) {
    #expect(accept(field).choice == choice)
  }

  @Test("over several lines")
  func lines() {
    var headers = Headers()
    headers.append("Accept-Encoding", "br")
    headers.append("accept-encoding", "identity;q=0, gzip;q=0.1")
    #expect(AcceptEncoding(headers).choice == .gzipOnly)
  }

  private func accept(_ field: String?) -> AcceptEncoding {
    var headers = Headers()
    if let field { headers.append("Accept-Encoding", field) }
    return AcceptEncoding(headers)
  }

  /// The outcome for an answer: whether it was coded, and whether caches are told.
  private func outcome(
    _ field: String?, type: String = "application/json", count: Int = 1024, coding: String? = nil
  ) -> [Bool] {
    var response = Response(
      status: 200, contentType: type, body: [UInt8](repeating: 0x61, count: count))
    if let coding { response.headers.append("Content-Encoding", coding) }
    response.encode(for: accept(field))
    let isCoded = response.body.count != count
    #expect(isCoded == (response.headers["content-encoding"] == "gzip"))
    return [isCoded, response.headers["vary"] == "Accept-Encoding"]
  }

  @Test("by type, size and wish")
  func choice() {
    #expect(outcome("gzip") == [true, true])
    #expect(outcome(nil) == [false, true])
    #expect(outcome("br") == [false, true])
    #expect(outcome("gzip", count: 1023) == [false, false])
    #expect(outcome("identity;q=0, gzip", count: 1023) == [true, false])
    #expect(outcome("identity;q=0, gzip", count: 0) == [false, false])
    #expect(outcome("gzip", type: "text/plain; version=0.0.4") == [true, true])
    #expect(outcome("gzip", type: "Application/JSON; charset=utf-8") == [true, true])
    #expect(outcome("gzip", type: "application/octet-stream") == [false, false])
    #expect(outcome("gzip", coding: "br") == [false, false])
  }

  @Test("over the wire: a kept connection, HEAD, and streams as they are")
  func wire() async throws {
    let text = String(repeating: "{\"a\":[1,2,3]}\n", count: 1000)
    var configuration = ServerConfiguration(port: 0)
    configuration.errorFormat = .plainText
    let handler = ClosureHandler { request, responder in
      guard request.path == "/stream" else {
        return responder.send(
          Response(status: 200, contentType: "application/json", body: Array(text.utf8)))
      }
      responder.startStream(
        status: 200, headers: ["Content-Type": ServerSentEvents.contentType])
      responder.write(Array(text.utf8))
      responder.finish()
    }
    let server = Server(configuration: configuration, handler: handler)
    let port = try server.start()
    let client = try TestClient(port: port)
    let tail = " HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n"
    try client.send("GET /\(tail)HEAD /\(tail)GET /stream\(tail)")
    let whole = try client.answer()
    #expect(whole.head.contains("\nContent-Encoding: gzip\n") && whole.body.count < 1000)
    // The same header without a body (RFC 9110, section 9.3.2).
    let (status, head) = try client.head()
    #expect(status == 200 && head.hasSuffix("\nContent-Length: \(whole.body.count)\n"))
    #expect(head.contains("\nContent-Encoding: gzip\n"))
    let stream = try client.answer()
    #expect(stream.text == text && !stream.head.contains("gzip"))
    let curl = ["curl", "-s", "--compressed", "http://127.0.0.1:\(port)/"]
    #expect(try Command.run(curl).output == text)
    await withCheckedContinuation { continuation in
      server.stop(deadline: .now()) { continuation.resume() }
    }
  }
}
