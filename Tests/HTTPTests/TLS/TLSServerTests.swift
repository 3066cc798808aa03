// The server over TLS on the loopback interface: what the transport adds to plain sockets.

import COpenSSL
import Dispatch
import HTTP
import Platform
import Testing

@Suite("TLS server on loopback", .timeLimit(.minutes(5)))
struct TLSServerTests {
  private let certificates: TestCertificates
  private let credentials: TLSCredentials

  init() throws {
    certificates = try TestCertificates()
    credentials = try TLSCredentials(certificates.files)
  }

  private func serve(
    configured change: (inout ServerConfiguration) -> Void = { _ in },
    _ body: @escaping @Sendable (Request, Responder) -> Void
  ) throws -> (server: Server, port: UInt16) {
    try HTTPTests.serve(
      configured: {
        $0.tls = credentials
        change(&$0)
      }, body)
  }

  private func peer(authority: String = "ca.pem") throws -> TLSPeer {
    try TLSPeer(version: TLS1_3_VERSION, authority: certificates.path(authority))
  }

  private static let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

  @Test("an answer that needs no waiting reaches a client that has said its last")
  func closingClient() async throws {
    let (server, port) = try serve(ServerTests.echo)
    let peer = try peer()
    let client = try TestClient(port: port, tls: peer)
    try peer.write(Array(Self.get.utf8))
    peer.close()
    try client.sendAsIs(peer.takeOutput())
    #expect(try client.answer().text == "/|")
    #expect(try client.rest().isEmpty)
    await stop(server)
  }

  @Test("plain HTTP is told that this is HTTPS, and random bytes end at once")
  func notTLS() async throws {
    let handled = Mailbox<Int>()
    let (server, port) = try serve { _, _ in handled.put(1) }
    for method in ["GET", "POST", "OPTIONS", "BREW"] {
      let client = try TestClient(port: port)
      try client.send("\(method) / HTTP/1.1\r\nHost: h\r\n\r\n")
      let answer = try client.answer()
      #expect(answer.status == 400 && answer.text.contains("HTTPS"))
      #expect(try client.rest().isEmpty)
    }
    for bytes in [
      [0x16, 3, 1, 0xFF, 0xFF], [0x80, 0x2E, 1, 0, 2], [UInt8](repeating: 0, count: 99),
    ] {
      let client = try TestClient(port: port)
      try client.send(bytes + [UInt8](repeating: 0x20, count: 20_000))
      // At most an alert, and at most a reset for what was not read.
      #expect(((try? client.rest()) ?? []).count < 20)
    }
    handled.put(0)
    #expect(await handled.next() == 0)
    await stop(server)
  }

  @Test("a handshake must end within the time of a header")
  func handshakeTimeout() async throws {
    let (server, port) = try serve(
      configured: {
        $0.timeouts.head = 0.2
        $0.timeouts.idle = 1000
      }, ServerTests.echo)
    let client = try TestClient(port: port)
    #expect(try client.rest().isEmpty)
    let peer = try peer()
    _ = try peer.read()
    let slow = try TestClient(port: port)
    try slow.send(Array(peer.takeOutput().dropLast()))
    // At most a reset, for bytes that came too late.
    #expect((try? slow.rest())?.isEmpty != false)
    await stop(server)
  }

  @Test("a client over the limit gets its answer through TLS")
  func refused() async throws {
    let (server, port) = try serve(configured: { $0.limits.connections = 1 }, ServerTests.echo)
    let first = try TestClient(port: port, tls: peer())
    try first.send(Self.get)
    #expect(try first.answer().status == 200)
    #expect(try TestClient(port: port, tls: peer()).answer().status == 503)
    #expect(try TestClient(port: port).status(of: Self.get) == 503)
    await stop(server)
  }

  @Test("a reload reaches new connections and leaves streams alone")
  func reload() async throws {
    let responders = Mailbox<Responder>()
    let (server, port) = try serve { request, responder in
      guard request.path == "/stream" else { return ServerTests.echo(request, responder) }
      responder.startStream(status: 200, headers: [:])
      responder.write([1])
      responders.put(responder)
    }
    var streams: [(client: TestClient, responder: Responder)] = []
    try certificates.makeAuthority("other")
    for round in 0..<6 {
      let authority = ["ca", "other"][round % 2]
      try certificates.sign("server", by: authority)
      try credentials.reload()
      let stranger = ["other", "ca"][round % 2]
      #expect(throws: TLSPeer.Failure.self) {
        try TestClient(port: port, tls: peer(authority: "\(stranger).pem"))
      }
      let client = try TestClient(port: port, tls: peer(authority: "\(authority).pem"))
      try client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(try client.head().status == 200)
      #expect(try client.chunk() == [1])
      streams.append((client, try #require(await responders.next())))
    }
    for (client, responder) in streams {
      responder.queue.async {
        responder.write([2])
        responder.finish()
      }
      #expect(try client.chunk() == [2])
      #expect(try client.chunk() == [])
    }
    await stop(server)
  }

  @Test("client certificates are required where authorities are named")
  func clientCertificates() async throws {
    try certificates.makeAuthority("other")
    try certificates.sign("client", by: "ca")
    try certificates.sign("stranger", by: "other")
    var files = certificates.files
    files.clientAuthorities = certificates.path("ca.pem")
    let strict = try TLSCredentials(files)
    let (server, port) = try serve(configured: { $0.tls = strict }, ServerTests.echo)
    for version in ["1.2", "1.3"] {
      let base = [
        "curl", "-s", "--cacert", certificates.path("ca.pem"), "--tlsv\(version)", "--tls-max",
        version, "https://localhost:\(port)/a",
      ]
      func ask(_ name: String) throws -> String {
        let own = ["--cert", certificates.path("\(name).pem")]
        return try Command.run(base + own + ["--key", certificates.path("\(name).key")]).output
      }
      #expect(try ask("client") == "/a|")
      #expect(try ask("stranger") == "")
      #expect(try Command.run(base).output == "")
    }
    await stop(server)
  }

  @Test("curl agrees on HTTP/1.1 and resumes; other protocols are refused")
  func curl() async throws {
    let (server, port) = try serve(ServerTests.echo)
    let root = "https://localhost:\(port)"
    let base = ["curl", "-sv", "--cacert", certificates.path("ca.pem")]
    let two = try Command.run(base + ["-d", "abc", "\(root)/a", "\(root)/b"])
    #expect(two.output == "/a|abc/b|abc")
    #expect(two.errors.contains("ALPN: server accepted http/1.1"))
    #expect(try Command.run(base + ["-0", "\(root)/c"]).output == "/c|")
    #expect(try Command.run(base + ["-I", "\(root)/d"]).output.hasPrefix("HTTP/1.1 200 OK\r\n"))
    let only2 = ["openssl", "s_client", "-connect", "localhost:\(port)", "-alpn", "h2"]
    #expect(try Command.run(only2).errors.contains("no application protocol"))
    for version in ["-tls1_2", "-tls1_3"] {
      // The first run saves its session, the second one resumes it.
      let session = certificates.path("session\(version)")
      let client = [
        "openssl", "s_client", "-connect", "localhost:\(port)", version, "-ign_eof",
      ]
      let ask = "printf 'GET / HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n'"
      func run(_ option: String) throws -> String {
        let line = (client + [option, session]).joined(separator: " ")
        return try Command.run(["sh", "-c", "\(ask) | \(line)"]).output
      }
      #expect(try run("-sess_out").contains("New, TLS"))
      #expect(try run("-sess_in").contains("Reused, TLS"))
    }
    await stop(server)
  }
}

extension TestClient {
  fileprivate func status(of request: String) throws -> Int {
    try send(request)
    return try answer().status
  }
}
