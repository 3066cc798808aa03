// The server over real sockets on the loopback interface.

import Dispatch
import Glibc
import HTTP
import Platform
import TestSupport
import Testing

/// How a client leaves.
enum Departure: CaseIterable {
  /// It ends what it sends, as its protocol says.
  case halfClosed
  /// It ends what it sends, without a word where the protocol has one.
  case torn
  case gone
}

@Suite("Server on loopback", .timeLimit(.minutes(5)))
struct ServerTests {
  static func echo(_ request: Request, _ responder: Responder) {
    responder.send(Response(status: 200, body: Array("\(request.path)|".utf8) + request.body))
  }

  @Test(
    "keep-alive, pipelining and chunked upload",
    arguments: Wire.allCases.map { ($0, "127.0.0.1") } + [(.plain, "::1")])
  func exchanges(wire: Wire, host: String) async throws {
    let (server, port) = try serve(host: host, over: wire, Self.echo)
    let client = try wire.connect(port, host: host)
    for number in 0..<3 {
      try client.send("GET /\(number) HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(try client.answer().text == "/\(number)|")
    }
    let pipelined = (0..<200).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined()
    try client.send(pipelined)
    for number in 0..<200 { #expect(try client.answer().text == "/\(number)|") }
    try client.send("POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n")
    try client.send("Expect: 100-continue\r\n\r\n")
    #expect(try client.head().status == 100)
    for part in ["3\r\nabc\r\n", "2\r\nd", "e\r\n0\r\n", "\r\n"] { try client.send(part) }
    #expect(try client.answer().text == "/up|abcde")
    try client.send("GET /end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    #expect(try client.answer().text == "/end|")
    #expect(try client.rest().isEmpty)
    await stop(server)
  }

  @Test(
    "headers of layers around the handler are on answers and streams", arguments: [false, true])
  func addedHeaders(isStream: Bool) async throws {
    let (server, port) = try serve { request, responder in
      responder.addHeader("X-Around", "1")
      guard isStream else { return Self.echo(request, responder) }
      responder.startStream(status: 200, headers: ["Content-Type": ServerSentEvents.contentType])
      responder.finish()
    }
    let client = try TestClient(port: port)
    for _ in 0..<2 {
      try client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(
        try client.answer().head.split(separator: "\n").filter { $0 == "X-Around: 1" }.count == 1)
    }
    await stop(server)
  }

  @Test("a large body arrives whole, and a too large one is told so", arguments: Wire.both)
  func largeBody(wire: Wire) async throws {
    let (server, port) = try serve(
      over: wire,
      configured: {
        $0.limits.bodyBytes = 8 << 20
        $0.timeouts.linger = 60
      }
    ) { request, responder in
      responder.send(Response(status: 200, body: request.body))
    }
    let body = (0..<(8 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    let client = try wire.connect(port)
    try client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.count)\r\n\r\n")
    try client.send(body)
    #expect(try client.answer().body == body)
    try client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \(body.count + 1)\r\n\r\n")
    try client.send([UInt8](body.prefix(1 << 20)))
    let answer = try client.answer()
    #expect(answer.status == 413)
    #expect(answer.text == "the request body is larger than 8388608 bytes\n")
    await stop(server)
  }

  @Test("errors of the server have the configured form")
  func errorFormat() async throws {
    let (server, port) = try serve(
      configured: {
        $0.errorFormat = ErrorFormat(contentType: "application/json") { status, message in
          Array("{\"\(status)\":\"\(message)\"}".utf8)
        }
      }, Self.echo)
    let client = try TestClient(port: port)
    try client.send("GET / HTTP/1.1\r\n\r\n")
    let answer = try client.answer()
    #expect(answer.text == "{\"400\":\"no Host header\"}")
    #expect(answer.head.contains("\nContent-Type: application/json\n"))
    #expect(try client.rest().isEmpty)
    await stop(server)
  }

  @Test(
    "a slow reader holds a 50 MB stream back, and then gets every byte", arguments: Wire.both)
  func backPressure(wire: Wire) async throws {
    let total = 50 << 20
    let stalled = Mailbox<Int>()
    let (server, port) = try serve(over: wire) { _, responder in
      responder.startStream(status: 200, headers: [:])
      var written = 0
      func more() {
        while responder.hasRoom, written < total {
          responder.write([UInt8](repeating: UInt8(written >> 16 & 0xFF), count: 1 << 16))
          written += 1 << 16
        }
        if written < total {
          stalled.put(written)
        } else {
          responder.finish()
        }
      }
      responder.onRoom = more
      more()
    }
    let client = try wire.connect(port)
    try client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(try client.head().status == 200)
    // What left the server lies in the kernel's buffers, a few megabytes; the rest is not made.
    let written = try #require(await stalled.next())
    #expect(written < total / 2)
    var received = 0
    while case let chunk = try client.chunk(), !chunk.isEmpty {
      #expect(chunk.allSatisfy { $0 == UInt8(received >> 16 & 0xFF) })
      received += chunk.count
    }
    #expect(received == total)
    await stop(server)
  }

  @Test("a handler that writes on without room loses its client")
  func writeLimit() async throws {
    let closed = Mailbox<Int>()
    let (server, port) = try serve { _, responder in
      responder.onClose = { [responder] in withExtendedLifetime(responder) { closed.put(1) } }
      responder.startStream(status: 200, headers: [:])
      for _ in 0..<1_000 { responder.write([UInt8](repeating: 0, count: 1 << 16)) }
    }
    let client = try TestClient(port: port)
    try client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(await closed.next() == 1)
    await stop(server)
  }

  @Test("a client that goes away ends its request", arguments: Wire.both, Departure.allCases)
  func disconnect(wire: Wire, departure: Departure) async throws {
    let events = Mailbox<String>()
    let (server, port) = try serve(over: wire) { request, responder in
      // The closure keeps the responder, as a running computation would.
      responder.onClose = { [responder] in
        events.put("closed")
        responder.write([1])
        responder.finish()
      }
      if request.path == "/stream" {
        responder.startStream(status: 200, headers: [:])
        responder.write(Array("first".utf8))
      }
      events.put("handled")
    }
    for path in ["/", "/stream"] {
      var client: TestClient? = try wire.connect(port)
      try client?.send("POST \(path) HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
      if path == "/stream" { #expect(try client?.head().status == 200) }
      #expect(await events.next() == "handled")
      switch departure {
      case .halfClosed: try client?.endSending()
      case .torn: client?.shutdownWrite()
      case .gone: client = nil
      }
      #expect(await events.next() == "closed")
      withExtendedLifetime(client) {}
    }
    await stop(server)
  }

  @Test("an answered request is not closed again, and a half-closed client gets its answer")
  func halfClose() async throws {
    let counter = Mailbox<Int>()
    let (server, port) = try serve { request, responder in
      responder.onClose = { counter.put(1) }
      Self.echo(request, responder)
    }
    let client = try TestClient(port: port)
    try client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
    try client.endSending()
    #expect(String(decoding: try client.rest(), as: UTF8.self).hasSuffix("\r\n\r\n/a|"))
    await stop(server)
    counter.put(0)
    #expect(await counter.next() == 0)
  }

  @Test("a dropped responder answers 500, also from another thread")
  func dropped() async throws {
    let (server, port) = try serve { request, responder in
      if request.path == "/later" { DispatchQueue.global().async { [responder] in _ = responder } }
    }
    let client = try TestClient(port: port)
    for path in ["/now", "/later"] {
      try client.send("GET \(path) HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(try client.answer().status == 500)
    }
    await stop(server)
  }

  @Test("a client over the limit gets 503, and the next is served when one has left")
  func connectionLimit() async throws {
    let (server, port) = try serve(configured: { $0.limits.connections = 1 }, Self.echo)
    var first: TestClient? = try TestClient(port: port)
    try first?.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(try first?.answer().status == 200)
    #expect(try TestClient(port: port).answer().status == 503)
    first = nil
    var status = 503
    while status == 503 {
      let client = try TestClient(port: port)
      try client.send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
      status = try client.answer().status
    }
    #expect(status == 200)
    await stop(server)
  }

  @Test("more connections than descriptors are refused at start, with the numbers")
  func descriptorLimit() throws {
    #expect {
      try serve(configured: { $0.limits.connections = 1 << 40 }, Self.echo)
    } throws: { error in
      guard case .openFileLimit(_, let needed) = error as? PlatformError else { return false }
      return needed > 1 << 40 && "\(error)".contains("ulimit -n")
    }
  }

  @Test("silent clients are closed")
  func silence() async throws {
    let (server, port) = try serve(configured: { $0.timeouts.idle = 0.1 }, Self.echo)
    #expect(try TestClient(port: port).rest().isEmpty)
    await stop(server)
  }

  @Test("slow clients are told 408 and closed")
  func slowness() async throws {
    // The time for the first byte is long: what is sent late is not what is tested.
    let (server, port) = try serve(
      configured: {
        $0.timeouts.head = 0.1
        $0.timeouts.body = 0.1
        $0.timeouts.linger = 0.1
      }, Self.echo)
    for part in ["GET", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx"] {
      let client = try TestClient(port: port)
      try client.send(part)
      #expect(try client.answer().status == 408)
      #expect(try client.rest().isEmpty)
    }
    await stop(server)
  }

  @Test("stopping closes idle connections, and is done when the last answer is")
  func stopping() async throws {
    let held = try HeldPort()
    let responders = Mailbox<Responder>()
    let (server, port) = try serve(
      configured: {
        $0.port = held.port
        $0.timeouts.linger = 0.1
      }
    ) { request, responder in
      if request.path == "/idle" { return Self.echo(request, responder) }
      responders.put(responder)
    }
    let idle = try TestClient(port: port)
    try idle.send("GET /idle HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(try idle.answer().status == 200)
    let running = try TestClient(port: port)
    try running.send("GET /running HTTP/1.1\r\nHost: h\r\n\r\n")
    let responder = try #require(await responders.next())

    let stopped = Mailbox<Int>()
    server.stop(deadline: .now() + 600) { stopped.put(1) }
    #expect(try idle.rest().isEmpty)
    // The listener closes when every connection has been told.
    while (try? TestClient(port: port)) != nil { usleep(1000) }
    responder.queue.async { responder.send(Response(status: 200)) }
    #expect(try running.answer().head.contains("\nConnection: close\n"))
    #expect(try running.rest().isEmpty)
    #expect(await stopped.next() == 1)
    #expect(throws: PlatformError.self) { try TestClient(port: port) }
  }

  @Test("answers that are not done at a stop's deadline are dropped")
  func deadline() async throws {
    let responders = Mailbox<Responder>()
    let closed = Mailbox<Int>()
    let (server, port) = try serve { _, responder in
      responder.onClose = { closed.put(1) }
      responders.put(responder)
    }
    let stuck = try TestClient(port: port)
    try stuck.send("GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
    let responder = try #require(await responders.next())
    await stop(server)
    #expect(await closed.next() == 1)
    #expect((try? stuck.rest())?.isEmpty != false)
    withExtendedLifetime(responder) {}
  }

  @Test("curl: event stream, upload, HEAD and a kept connection")
  func curl() async throws {
    let (server, port) = try serve { request, responder in
      guard request.path == "/events" else { return Self.echo(request, responder) }
      responder.startStream(
        status: 200, headers: ["Content-Type": ServerSentEvents.contentType])
      for number in 0..<3 {
        responder.write(ServerSentEvents.event(data: Array("{\"n\":\(number)}".utf8)))
      }
      responder.finish()
    }
    let root = "http://127.0.0.1:\(port)"
    func curl(_ arguments: String...) throws -> String {
      try Command.run(["curl"] + arguments).output
    }
    #expect(
      try curl("-sN", "--http1.1", "\(root)/events")
        == "data: {\"n\":0}\n\ndata: {\"n\":1}\n\ndata: {\"n\":2}\n\n")
    #expect(
      try curl("-sN0", "\(root)/events").hasSuffix("data: {\"n\":2}\n\n"))
    #expect(try curl("-s", "-d", "abc", "\(root)/a", "\(root)/b") == "/a|abc/b|abc")
    #expect(
      try curl("-s", "-H", "Transfer-Encoding: chunked", "-d", "abc", "\(root)/a")
        == "/a|abc")
    #expect(try curl("-sI", "\(root)/a").hasPrefix("HTTP/1.1 200 OK\r\n"))
    await stop(server)
  }
}
