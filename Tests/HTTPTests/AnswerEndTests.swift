// What layers around a handler hear of the end of its answer.

import Dispatch
import HTTP
import Platform
import Synchronization
import Testing

/// Runs an inner handler and keeps what it hears.
private final class Listener: RequestHandler {
  let ends = Mutex<[AnswerEnd]>([])
  private let news = DispatchSemaphore(value: 0)
  private let inner: @Sendable (Request, Responder) -> Void

  init(_ inner: @escaping @Sendable (Request, Responder) -> Void) { self.inner = inner }

  func handle(_ request: Request, _ responder: Responder) -> BodyHandler? {
    responder.addHeader("X-Layer", "yes")
    responder.onEnd = { [weak self] end in
      guard let self else { return }
      ends.withLock { $0.append(end) }
      news.signal()
    }
    return { [inner] in inner($0, responder) }
  }

  /// The next end; nil when none comes for a minute.
  func next() -> AnswerEnd? {
    guard news.wait(timeout: .now() + 60) == .success else { return nil }
    return ends.withLock { $0.removeFirst() }
  }
}

@Suite("Ends of answers")
struct AnswerEndTests {
  private func start(_ listener: Listener) throws -> (Server, UInt16) {
    let server = Server(configuration: ServerConfiguration(port: 0), handler: listener)
    return (server, try server.start())
  }

  private func exchange(_ port: UInt16, _ method: String) throws -> String {
    let socket = try Socket.connect(to: .resolve(host: "127.0.0.1", port: port), timeout: 60)
    let head = "\(method) / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    _ = try socket.send(Array(head.utf8)[...])
    var bytes: [UInt8] = []
    while let more = try socket.receive(upTo: 1 << 16), !more.isEmpty { bytes += more }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func end(_ status: Int?, _ bytes: Int, isClientGone: Bool = false) -> AnswerEnd {
    var end = AnswerEnd()
    (end.status, end.bodyBytes, end.isClientGone) = (status, bytes, isClientGone)
    return end
  }

  @Test("whole and streamed answers tell their status and bytes once, HEAD has none")
  func complete() throws {
    let listener = Listener { request, responder in
      guard request.method != .post else {
        responder.startStream(status: 201, headers: [:])
        responder.write(Array("abc".utf8))
        responder.write(Array("de".utf8))
        return responder.finish()
      }
      responder.send(Response(status: 404, contentType: "text/plain", body: Array("none".utf8)))
      responder.onEnd = { _ in Issue.record("an end after the end") }
    }
    let (server, port) = try start(listener)
    #expect(try exchange(port, "GET").contains("\r\nX-Layer: yes\r\n"))
    #expect(listener.next() == end(404, 4))
    #expect(try exchange(port, "HEAD").contains("\r\nX-Layer: yes\r\n"))
    #expect(listener.next() == end(404, 0))
    _ = try exchange(port, "POST")
    #expect(listener.next() == end(201, 5))
    #expect(listener.ends.withLock { $0.isEmpty })
    server.stop(deadline: .now()) {}
  }

  @Test("a dropped request ends with 500, and its answer keeps the layer's headers")
  func dropped() throws {
    let listener = Listener { _, _ in }
    let (server, port) = try start(listener)
    let answer = try exchange(port, "GET")
    #expect(answer.hasPrefix("HTTP/1.1 500 ") && answer.contains("\r\nX-Layer: yes\r\n"))
    #expect(listener.next() == end(500, 0))
    server.stop(deadline: .now()) {}
  }

  @Test("a client that leaves is told of, before an answer and in the middle of one")
  func gone() throws {
    let held = Mutex<[Responder]>([])
    let begun = DispatchSemaphore(value: 0)
    let listener = Listener { request, responder in
      if request.method == .post {
        responder.startStream(status: 200, headers: [:])
        responder.write(Array("abc".utf8))
      }
      held.withLock { $0.append(responder) }
      begun.signal()
    }
    let (server, port) = try start(listener)
    for (method, expected) in [
      ("GET", end(nil, 0, isClientGone: true)), ("POST", end(200, 3, isClientGone: true)),
    ] {
      do {
        let socket = try Socket.connect(to: .resolve(host: "127.0.0.1", port: port), timeout: 60)
        _ = try socket.send(Array("\(method) / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)[...])
        #expect(begun.wait(timeout: .now() + 60) == .success)
      }
      #expect(listener.next() == expected)
    }
    held.withLock { $0.removeAll() }
    server.stop(deadline: .now()) {}
  }

  @Test("the server's own refusals are told with their peer, and carry what is returned")
  func refusals() throws {
    let told = Mutex<[String]>([])
    var configuration = ServerConfiguration(port: 0)
    configuration.errorFormat.onRefusal = { status, message, peer in
      told.withLock { $0.append("\(status) \(message.isEmpty) \(peer.hasPrefix("127.0.0.1:"))") }
      return ["X-Request-Id": "made"]
    }
    let server = Server(configuration: configuration, handler: Listener { _, _ in })
    let port = try server.start()
    let answer = try exchange(port, "BR EW")
    #expect(answer.hasPrefix("HTTP/1.1 4") && answer.contains("\r\nX-Request-Id: made\r\n"))
    let status = answer.dropFirst(9).prefix(3)
    #expect(told.withLock { $0 } == ["\(status) false true"])
    server.stop(deadline: .now()) {}
  }
}
