// Requests that are answered by their head alone: what becomes of their bodies.

import Dispatch
import HTTP
import Platform
import Synchronization
import Testing

@Suite("Bodies that nobody wants")
struct UnreadBodyTests {
  private static let head = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
  private static let get = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"

  /// Refuses `/x` by its head and echoes the rest.
  private func driver() -> ConnectionDriver {
    ConnectionDriver(refusal: { $0.path == "/x" ? Response(status: 401, body: [0x21]) : nil })
  }

  @Test("the answer comes with the head's last byte, is the last, and no leave is given")
  func atOnce() {
    for extra in ["", "Expect: 100-continue\r\n"] {
      var driver = driver()
      driver.feed(Self.head + extra + "\r")
      #expect(driver.transcript.statuses.isEmpty)
      driver.feed("\n")
      #expect(driver.transcript.statuses == [401])
      #expect(driver.transcript.text.contains("\r\nConnection: close\r\n"))
      #expect(driver.transcript.isShutDown && !driver.transcript.isClosed)
      #expect(driver.connection.deadline?.wait == .linger)
      // What the client still sends is read, so that no reset overtakes the answer, and dropped.
      #expect(driver.connection.wantsInput)
      driver.feed("hello" + Self.get)
      #expect(driver.connection.heldBytes == 0)
      #expect(driver.transcript.statuses == [401] && driver.transcript.requests.isEmpty)
      driver.perform(driver.connection.receiveEnd())
      #expect(driver.transcript.isClosed)
    }
  }

  @Test("a body that came with its head is skipped and the connection goes on")
  func skipped() {
    let chunked = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    for request in [Self.head + "\r\nhello", chunked + "2\r\nab\r\n0\r\nT: 1\r\n\r\n"] {
      var driver = driver()
      driver.feed(request + Self.get)
      #expect(driver.transcript.statuses == [401, 200])
      #expect(driver.transcript.requests.map(\.path) == ["/next"])
      #expect(!driver.transcript.isShutDown)
    }
    // One that is malformed or goes on ends it.
    for request in [chunked + "z\r\n", chunked + "2\r\nab\r\n", Self.head + "\r\nhell"] {
      var driver = driver()
      driver.feed(request)
      driver.feed(Self.get)
      #expect(driver.transcript.statuses == [401] && driver.transcript.isShutDown)
    }
  }

  @Test("a stream that needs no body is not disturbed by it")
  func stream() {
    var connection = Connection(
      limits: HTTPLimits(), errorFormat: .plainText, peer: "", time: { 0 })
    _ = connection.receive(Array((Self.head + "\r\nhe").utf8))
    let actions = connection.startStream(status: 200, headers: [:])
    guard case .send(let bytes) = actions.first else {
      Issue.record("no answer")
      return
    }
    #expect(String(decoding: bytes, as: UTF8.self).contains("\r\nConnection: close\r\n"))
    _ = connection.didSend(bytes.count)
    for _ in 0..<10 {
      #expect(connection.receive([UInt8](repeating: 0x61, count: 100_000)) == [])
      #expect(connection.wantsInput && connection.heldBytes == 0 && connection.deadline == nil)
    }
    #expect(connection.write([0x21]) == [.send(Array("1\r\n!\r\n".utf8))])
  }

  @Test("before the handler has said what it wants, little is read ahead and nothing parsed")
  func undecided() {
    var limits = HTTPLimits()
    limits.pipelinedBytes = 10
    var connection = Connection(limits: limits, errorFormat: .plainText, peer: "", time: { 0 })
    let head = connection.receive(Array((Self.head + "\r\n").utf8))
    #expect(head.count == 1)
    #expect(connection.receive(Array("hello, world".utf8)) == [])
    #expect(!connection.wantsInput && connection.deadline?.wait == .ahead)
    guard case .deliver(let request) = connection.awaitBody().first else {
      Issue.record("no body")
      return
    }
    #expect(request.body == Array("hello".utf8))
  }

  // MARK: - Over sockets

  /// Refuses `/x` by its head; otherwise takes the body.
  private struct Door: RequestHandler {
    let end: @Sendable (AnswerEnd) -> Void

    func handle(_ head: Request, _ responder: Responder) -> BodyHandler? {
      responder.onEnd = end
      guard head.path == "/x" else {
        return { responder.send(Response(status: 200, body: $0.body)) }
      }
      responder.send(Response(status: 401, body: Array("no key".utf8)))
      return nil
    }
  }

  @Test("a client that sends on for long still reads the answer whole")
  func lingering() throws {
    let server = Server(configuration: ServerConfiguration(port: 0), handler: Door { _ in })
    let client = try TestClient(port: try server.start())
    try client.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n")
    let body = [UInt8](repeating: 0x61, count: 1 << 20)
    for _ in 0..<20 { try client.send(body) }
    let answer = try client.answer()
    #expect(answer.status == 401 && answer.text == "no key")
    #expect(server.statistics.heldBytes == 0)
    server.stop(deadline: .now()) {}
  }

  @Test(
    "a body that does not come properly is answered in the handler's place, and its layers hear it",
    arguments: [
      ("Content-Length: 9\r\n\r\nab", 408), ("Transfer-Encoding: chunked\r\n\r\nz\r\n", 400),
      ("Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
    ])
  func improper(rest: String, status: Int) async throws {
    let ends = Mailbox<AnswerEnd>()
    var configuration = ServerConfiguration(port: 0)
    configuration.timeouts.body = 0.01
    let server = Server(configuration: configuration, handler: Door { ends.put($0) })
    let client = try TestClient(port: try server.start())
    try client.send("POST /y HTTP/1.1\r\nHost: h\r\n" + rest)
    #expect(try client.answer().status == status)
    let end = await ends.next()
    #expect(end?.status == status && end?.refusal?.isEmpty == false && end?.isClientGone == false)
    server.stop(deadline: .now()) {}
  }

  @Test("a client that leaves within its body is gone to whoever awaits it")
  func goneWithinBody() async throws {
    let ends = Mailbox<AnswerEnd>()
    let server = Server(
      configuration: ServerConfiguration(port: 0), handler: Door { ends.put($0) })
    do {
      let client = try TestClient(port: try server.start())
      try client.send("POST /y HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab")
    }
    let end = await ends.next()
    #expect(end?.isClientGone == true && end?.status == nil)
    server.stop(deadline: .now()) {}
  }
}
