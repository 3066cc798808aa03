// The client over real sockets, against servers that do as they are told.

import Dispatch
import HTTP
import Platform
import Synchronization
import TestSupport
import Testing

@Suite("Client on loopback", .timeLimit(.minutes(5)))
struct HTTPClientTests {
  /// What came of a request.
  struct Outcome: Sendable {
    var status: Int?
    var body: [UInt8] = []
    var failure: HTTPClientError?
    var text: String { String(decoding: body, as: UTF8.self) }
  }

  private let queue = DispatchQueue(label: "client")

  private func client(
    _ port: UInt16, _ change: (inout HTTPClientTimeouts) -> Void = { _ in }
  ) throws -> HTTPClient {
    var timeouts = HTTPClientTimeouts()
    timeouts.answer = 60
    timeouts.idle = 60
    change(&timeouts)
    return try HTTPClient(
      url: HTTPURL("http://127.0.0.1:\(port)"), queue: queue, timeouts: timeouts)
  }

  private func outcome(
    _ client: HTTPClient, _ request: HTTPClientRequest = .init(method: .get, target: "/")
  ) async -> Outcome {
    await withCheckedContinuation { continuation in
      queue.async {
        var outcome = Outcome()
        client.send(request) { event in
          switch event {
          case .head(let head): outcome.status = head.status
          case .body(let bytes): outcome.body += bytes
          case .end: continuation.resume(returning: outcome)
          case .failed(let error):
            outcome.failure = error
            continuation.resume(returning: outcome)
          }
        }
      }
    }
  }

  private static let hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

  @Test("requests go out as they should, and kept connections are used again")
  func reuse() async throws {
    let seen = Mailbox<String>()
    let server = try ScriptedServer { _, request in
      seen.put(request)
      return [.send(Self.hello)]
    }
    let client = try client(server.port)
    let request = HTTPClientRequest(
      method: .post, target: "/v1/x?y=1", headers: ["X-A": "b"], body: Array("{}".utf8))
    for _ in 0..<5 { #expect(await outcome(client, request).text == "hello") }
    #expect(
      await seen.next()
        == "POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\nX-A: b\r\n"
        + "Content-Length: 2\r\n\r\n{}")
    #expect(server.connections == 1)
    queue.sync { client.close() }
    server.stop()
  }

  @Test("requests at one time have connections of their own")
  func parallel() async throws {
    let server = try ScriptedServer { _, request in
      [.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + request.dropFirst(5).prefix(2))]
    }
    let client = try client(server.port)
    let texts = await withTaskGroup(of: (Int, String).self) { group in
      for number in 10..<40 {
        group.addTask {
          (number, await outcome(client, .init(method: .get, target: "/\(number)")).text)
        }
      }
      return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    for number in 10..<40 { #expect(texts[number] == "\(number)") }
    #expect(server.connections <= 30)
    queue.sync { client.close() }
    server.stop()
  }

  @Test("a connection that the server ends is not used again")
  func closed() async throws {
    let server = try ScriptedServer { number, _ in
      switch number {
      case 0: [.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"), .close]
      case 1: [.send("HTTP/1.1 200 OK\r\n\r\nuntil the end"), .close]
      case 2: [.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab")]
      default: [.send(Self.hello)]
      }
    }
    let client = try client(server.port)
    var texts: [String] = []
    for _ in 0..<4 { texts.append(await outcome(client).text) }
    #expect(texts == ["a", "until the end", "a", "hello"])
    #expect(server.connections == 4)
    queue.sync { client.close() }
    server.stop()
  }

  @Test("a connection that ends right behind an answer is not used again, even at once")
  func endBehindAnswer() async throws {
    let server = try ScriptedServer { _, _ in [.send(Self.hello), .close] }
    let client = try client(server.port)
    let count = 20
    let failures: [HTTPClientError] = await withCheckedContinuation { continuation in
      let failures = Mutex<[HTTPClientError]>([])
      @Sendable func send(_ left: Int) {
        client.send(.init(method: .get, target: "/")) { event in
          switch event {
          // Waits until the server has ended the connection, while the answer's end is not read.
          case .head: _ = server.connections
          case .body: break
          case .end, .failed:
            if case .failed(let error) = event { failures.withLock { $0.append(error) } }
            if left > 1 { return send(left - 1) }
            continuation.resume(returning: failures.withLock { $0 })
          }
        }
      }
      queue.async { send(count) }
    }
    #expect(failures == [])
    #expect(server.connections == count)
    queue.sync { client.close() }
    server.stop()
  }

  @Test("every trouble has its name")
  func troubles() async throws {
    let server = try ScriptedServer { number, _ in
      switch number {
      case 0: [.reset]
      case 1: [.close]
      case 2: [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .close]
      case 3: [.send("SSH-2.0-OpenSSH\r\n")]
      default: [.send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc")]
      }
    }
    let client = try client(server.port)
    #expect(await outcome(client).failure == .reset)
    #expect(await outcome(client).failure == .closedEarly)
    let cut = await outcome(client)
    #expect(cut.failure == .closedEarly)
    #expect(cut.status == 200)
    #expect(await outcome(client).failure == .malformed("no status line"))
    queue.sync { client.close() }
    server.stop()
    // Nobody listens.
    let held = try HeldPort()
    #expect(await outcome(try self.client(held.port)).failure == .refused)
  }

  @Test("a reset right behind the last bytes is noticed, every time")
  func bytesAndReset() async throws {
    let server = try ScriptedServer { _, _ in
      [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .reset]
    }
    let client = try client(server.port)
    for _ in 0..<200 { #expect(await outcome(client).failure == .reset) }
    queue.sync { client.close() }
    server.stop()
  }

  @Test("an answer that does not come times out")
  func timeouts() async throws {
    let server = try ScriptedServer { _, _ in [.send("HTTP/1.1 200 OK\r\nX: ")] }
    let client = try client(server.port) { $0.answer = 0.2 }
    #expect(await outcome(client).failure == .timeout)
    queue.sync { client.close() }
    server.stop()
  }

  @Test("a cancelled request has no further events, and its connection ends")
  func cancel() async throws {
    let arrived = Mailbox<Int>()
    let server = try ScriptedServer { number, _ in
      arrived.put(number)
      return number == 0 ? [] : [.send(Self.hello)]
    }
    let client = try client(server.port)
    let exchange = queue.sync {
      client.send(.init(method: .get, target: "/")) { _ in Issue.record("an event") }
    }
    #expect(await arrived.next() == 0)
    queue.sync { client.cancel(exchange) }
    #expect(await outcome(client).text == "hello")
    #expect(server.connections == 2)
    queue.sync { client.close() }
    server.stop()
  }

  @Test("a large request reaches a server that reads it, and an early answer is read")
  func large() async throws {
    let configuration = ServerConfiguration(port: 0)
    let server = Server(
      configuration: configuration,
      handler: ClosureHandler { request, responder in
        responder.send(Response(status: 200, body: Array("\(request.body.count)".utf8)))
      })
    let port = try server.start()
    let client = try client(port)
    func post(_ size: Int) -> HTTPClientRequest {
      HTTPClientRequest(method: .post, target: "/", body: Array(repeating: 65, count: size))
    }
    #expect(await outcome(client, post(8 << 20)).text == "\(8 << 20)")
    // Beyond the server's limit: it answers at the header and closes.
    let refused = await outcome(client, post(configuration.limits.bodyBytes + 1))
    #expect(refused.status == 413 || refused.failure == .reset)
    queue.sync { client.close() }
    await withCheckedContinuation { continuation in
      server.stop(deadline: .now()) { continuation.resume() }
    }
  }
}
