// Sockets and addresses, over the loopback interface.

import Glibc
import Platform
import Testing

@Suite("Sockets", .timeLimit(.minutes(5)))
struct SocketTests {
  @Test(
    "IPv4 and IPv6 addresses resolve and print",
    arguments: [
      ("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("localhost", "127.0.0.1:80"),
      ("0.0.0.0", "0.0.0.0:80"),
    ])
  func addresses(host: String, description: String) throws {
    let address = try SocketAddress.resolve(host: host, port: 80)
    #expect(address.description == description)
    #expect(address.port == 80)
  }

  @Test("what is no address is refused by name")
  func invalidAddress() {
    #expect(throws: PlatformError.invalidAddress("999.1.1.1")) {
      try SocketAddress.resolve(host: "999.1.1.1", port: 80)
    }
  }

  /// The next client, which may be on its way yet although it is connected.
  private func accept(_ listener: Socket) throws -> (socket: Socket, peer: SocketAddress) {
    while true {
      if let client = try listener.accept() { return client }
      sched_yield()
    }
  }

  @Test("bytes and the end of the stream cross a connection", arguments: ["127.0.0.1", "::1"])
  func exchange(host: String) throws {
    let listener = try Socket.listen(at: .resolve(host: host, port: 0))
    #expect(try listener.accept() == nil)
    let client = try Socket.connect(to: listener.localAddress(), timeout: 60)
    let (server, peer) = try accept(listener)
    #expect(peer.description == (try client.localAddress().description))
    #expect(try server.receive(upTo: 10) == nil)
    #expect(try client.send(Array("hello".utf8)[...]) == 5)
    client.shutdownWrite()
    var received: [UInt8] = []
    while true {
      guard let bytes = try server.receive(upTo: 3) else { continue }
      if bytes.isEmpty { break }
      #expect(bytes.count <= 3)
      received += bytes
    }
    #expect(received == Array("hello".utf8))
  }

  @Test("a full socket takes no more, and a vanished peer is an error, not a signal")
  func backPressureAndReset() throws {
    let listener = try Socket.listen(at: .resolve(host: "127.0.0.1", port: 0))
    var client: Socket? = try Socket.connect(to: listener.localAddress(), timeout: 60)
    let server = try accept(listener).socket
    let block = [UInt8](repeating: 7, count: 1 << 20)
    var sent = 0
    while let count = try server.send(block[...]) { sent += count }
    #expect(sent > 0)
    #expect(client != nil)
    client = nil
    #expect(throws: PlatformError.self) {
      while true { _ = try server.send(block[...]) }
    }
  }

  @Test("a taken port is reported with the call's name and the address")
  func addressInUse() throws {
    let first = try Socket.listen(at: .resolve(host: "127.0.0.1", port: 0))
    let address = try first.localAddress()
    let expected = PlatformError.systemCall(
      name: "bind", errno: EADDRINUSE, subject: address.description)
    #expect(throws: expected) { try Socket.listen(at: address) }
    #expect(expected.description == "\(address): bind: Address already in use")
  }
}
