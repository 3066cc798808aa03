// How the server listens and whom it lets in, over real sockets.

import Dispatch
import Foundation
import Glibc
import HTTP
import Platform
import TestSupport
import Testing

extension ServerTests {
  private func get(_ client: TestClient) throws -> TestClient.Answer {
    try client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
    return try client.answer()
  }

  @Test("a client over its address's limit gets 429, and everything is counted")
  func addressLimit() async throws {
    let (server, port) = try serve(
      configured: { $0.limits.connectionsPerAddress = 2 }, Self.echo)
    var clients = try (0..<2).map { _ in try TestClient(port: port) }
    for client in clients { #expect(try get(client).status == 200) }
    #expect(server.statistics.openConnections == 2)
    let refused = try TestClient(port: port).answer()
    #expect(refused.status == 429)
    #expect(refused.head.contains("Retry-After: 1"))
    #expect(refused.text == "too many connections from this address\n")
    // Another address of the same machine.
    #expect(try get(TestClient(port: port, host: "127.0.0.1", from: "127.0.0.2")).status == 200)
    clients.removeAll()
    await stop(server)
    let statistics = server.statistics
    #expect(statistics.openConnections == 0)
    #expect(statistics.accepted == 3)
    #expect(statistics.refused == [.address: 1])
    #expect(statistics.timedOut == [:])
  }

  @Test("`::` takes both families and tells their addresses as they are")
  func dualStack() async throws {
    let peers = Mailbox<String>()
    let (server, port) = try serve(host: "::") { request, responder in
      peers.put(request.peer)
      Self.echo(request, responder)
    }
    for (host, start) in [("127.0.0.1", "127.0.0.1:"), ("::1", "[::1]:")] {
      #expect(try get(TestClient(port: port, host: host)).status == 200)
      #expect(await peers.next()?.hasPrefix(start) == true)
    }
    await stop(server)
  }

  @Test("servers that share a port take turns, and one may go without a client's noticing")
  func reusePort() async throws {
    let (old, port) = try serve(configured: { $0.listening.reusesPort = true }) {
      $1.send(Response(status: 200, body: Array("old".utf8)))
    }
    #expect(throws: PlatformError.self) { try serve(configured: { $0.port = port }, Self.echo) }
    let (new, same) = try serve(configured: {
      $0.listening.reusesPort = true
      $0.port = port
    }) { $1.send(Response(status: 200, body: Array("new".utf8))) }
    #expect(same == port)
    var answers: Set<String> = []
    while answers.count < 2 { answers.insert(try get(TestClient(port: port)).text) }
    // Some of these are the old one's when it stops: it still has to answer them.
    let clients = try (0..<40).map { _ in try TestClient(port: port) }
    async let stopped: Void = stop(old, after: 60)
    for client in clients { #expect(try get(client).status == 200) }
    await stopped
    for _ in 0..<10 { #expect(try get(TestClient(port: port)).text == "new") }
    await stop(new)
  }

  @Test(
    "a Unix socket: served, its file's mode set, a dead server's taken over, removed at the end")
  func unixSocket() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/s"
    let host = "unix:" + path
    let peers = Mailbox<String>()
    let answer: @Sendable (Request, Responder) -> Void = { request, responder in
      peers.put(request.peer)
      Self.echo(request, responder)
    }
    let (first, port) = try serve(
      host: host, configured: { $0.listening.fileMode = 0o640 }, answer)
    #expect(port == 0)
    let files = FileManager.default
    #expect(try files.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
    #expect(try get(TestClient(port: 0, host: host)).status == 200)
    #expect(await peers.next() == "unix")
    #expect(throws: PlatformError.systemCall(name: "bind", errno: EADDRINUSE, subject: host)) {
      try serve(host: host, answer)
    }
    #expect(try get(TestClient(port: 0, host: host)).status == 200)
    // A second name of the file outlives its listener, as the file of a killed server does.
    let left = directory.path + "/left"
    try files.linkItem(atPath: path, toPath: left)
    await stop(first)
    #expect(!files.fileExists(atPath: path))
    try files.moveItem(atPath: left, toPath: path)
    #expect(throws: PlatformError.self) { try TestClient(port: 0, host: host) }
    let (second, _) = try serve(host: host, answer)
    #expect(try get(TestClient(port: 0, host: host)).status == 200)
    await stop(second)

    // A file that is no socket is nobody's to remove.
    try Data("x".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: PlatformError.self) { try serve(host: host, answer) }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("x".utf8))
    let long = "unix:/" + String(repeating: "x", count: 200)
    #expect(throws: PlatformError.invalidAddress(long)) { try serve(host: long, answer) }
  }

  @Test("a client that has filled its bound and goes is noticed: its end lies behind the rest")
  func aheadDisconnect() async throws {
    let events = Mailbox<String>()
    let (server, port) = try serve { _, responder in
      responder.onClose = { [responder] in
        withExtendedLifetime(responder) { events.put("closed") }
      }
      events.put("handled")
    }
    var client: TestClient? = try TestClient(port: port)
    let one = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    try client?.send(String(repeating: one, count: 8_000))
    #expect(await events.next() == "handled")
    client = nil
    #expect(await events.next() == "closed")
    await stop(server)
  }

  @Test("a client that takes nothing is given up, one that keeps alive a stream is not")
  func sendTimeout() async throws {
    let closed = Mailbox<String>()
    let (server, port) = try serve(configured: {
      $0.timeouts.send = 0.2
      $0.timeouts.silence = 0.1
    }) { request, responder in
      let path = request.path
      responder.onClose = { [responder] in withExtendedLifetime(responder) { closed.put(path) } }
      responder.startStream(status: 200, headers: [:], filler: ServerSentEvents.comment("x"))
      if path == "/stuck" { responder.write([UInt8](repeating: 0, count: 64 << 20)) }
    }
    let reader = try TestClient(port: port)
    try reader.send("GET /reader HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(try reader.head().status == 200)
    let stuck = try TestClient(port: port)
    try stuck.send("GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(await closed.next() == "/stuck")
    for _ in 0..<3 { #expect(try reader.chunk() == Array(": x\n\n".utf8)) }
    try await until(server) { $0.openConnections == 1 }
    #expect(server.statistics.timedOut == [.send: 1])
    await stop(server)
  }

  @Test("large requests that come together are bounded, small ones pass by")
  func heldBytes() async throws {
    let (server, port) = try serve(configured: { $0.limits.heldBytes = 3 << 20 }, Self.echo)
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n"
    let half = [UInt8](repeating: 0x61, count: 1_900_000)
    let clients = try (0..<2).map { _ in try TestClient(port: port) }
    try clients[0].send(Array(head.utf8) + half)
    try await until(server) { $0.heldBytes == half.count }
    try clients[1].send(Array(head.utf8) + half)
    try await until(server) { $0.refused[.memory] == 1 && $0.heldBytes == half.count }
    #expect(try get(TestClient(port: port)).status == 200)
    for client in clients { try? client.send([UInt8](repeating: 0x62, count: 100_000)) }
    #expect(try clients.map { try $0.answer().status } == [200, 503])
    // What the refused one held is free again.
    let next = try TestClient(port: port)
    try next.send(head + String(repeating: "c", count: 2_000_000))
    #expect(try next.answer().status == 200)
    await stop(server)
    #expect(server.statistics.refused == [.memory: 1])
    #expect(server.statistics.heldBytes == 0)
  }
}
