// The client over TLS, against this package's server and against peers that break it.

import Dispatch
import Foundation
import HTTP
import Platform
import Testing

@Suite("TLS client on loopback", .timeLimit(.minutes(5)))
struct TLSClientTests {
  private let certificates: TestCertificates
  private let queue = DispatchQueue(label: "client")

  init() throws { certificates = try TestCertificates() }

  private var authority: TLSTrust { .file(certificates.path("ca.pem")) }

  /// The outcome of one request, or of several on one connection.
  private func outcomes(
    _ port: UInt16, _ trust: TLSTrust, host: String = "localhost", body: [UInt8] = [],
    count: Int = 1
  ) async throws -> [Result<[UInt8], HTTPClientError>] {
    var timeouts = HTTPClientTimeouts()
    (timeouts.connect, timeouts.answer, timeouts.idle) = (60, 60, 60)
    let client = try HTTPClient(
      url: HTTPURL("https://\(host):\(port)"), authorities: TLSAuthorities(trust), queue: queue,
      timeouts: timeouts)
    var outcomes: [Result<[UInt8], HTTPClientError>] = []
    let request = HTTPClientRequest(method: .post, target: "/", body: body)
    for _ in 0..<count { outcomes.append(await outcome(client, request)) }
    queue.sync {
      #expect(client.connectionCount == 1)
      client.close()
    }
    return outcomes
  }

  private func outcome(
    _ client: HTTPClient, _ request: HTTPClientRequest
  ) async -> Result<[UInt8], HTTPClientError> {
    await withCheckedContinuation { continuation in
      queue.async {
        var body: [UInt8] = []
        client.send(request) { event in
          switch event {
          case .head: break
          case .body(let bytes): body += bytes
          case .end: continuation.resume(returning: .success(body))
          case .failed(let error): continuation.resume(returning: .failure(error))
          }
        }
      }
    }
  }

  private func serve(
    _ name: String = "server", at host: String = "127.0.0.1"
  ) throws -> (server: Server, port: UInt16) {
    var configuration = ServerConfiguration(host: host, port: 0)
    configuration.tls = try TLSCredentials(
      TLSFiles(
        certificate: certificates.path("\(name).pem"), key: certificates.path("\(name).key")))
    let server = Server(
      configuration: configuration,
      handler: ClosureHandler { $1.send(Response(status: 200, body: $0.body)) })
    return (server, try server.start())
  }

  @Test("bodies of many records there and back, on one connection")
  func exchanges() async throws {
    let (server, port) = try serve()
    let body = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    for outcome in try await outcomes(port, authority, body: body, count: 3) {
      #expect(try outcome.get() == body)
    }
    server.stop(deadline: .now()) {}
  }

  @Test("names and addresses of the certificate are accepted, others are not")
  func names() async throws {
    let (server, port) = try serve()
    for host in ["localhost", "LOCALHOST", "127.0.0.1"] {
      let outcome = try await outcomes(port, authority, host: host)[0]
      #expect(outcome == .success([]), "\(host)")
    }
    server.stop(deadline: .now()) {}
    let (other, otherPort) = try serve(at: "127.0.0.2")
    #expect(
      try await outcomes(otherPort, authority, host: "127.0.0.2")
        == [.failure(.certificate("IP address mismatch"))])
    #expect(try await outcomes(otherPort, .anybody, host: "127.0.0.2") == [.success([])])
    other.stop(deadline: .now()) {}
    // The same address by a name that the certificate does not have.
    try certificates.sign("elsewhere", by: "ca", names: "DNS:example.com,IP:127.0.0.1")
    let (named, namedPort) = try serve("elsewhere")
    #expect(
      try await outcomes(namedPort, authority) == [.failure(.certificate("hostname mismatch"))])
    named.stop(deadline: .now()) {}
  }

  @Test("who is not to be believed is named, and no byte of the request sent")
  func untrusted() async throws {
    try certificates.makeAuthority("other")
    try certificates.sign("foreign", by: "other")
    try certificates.sign("expired", by: "ca", days: -1)
    try certificates.openssl(
      ["req", "-x509"] + TestCertificates.elliptic + [
        "-nodes", "-subj", "/CN=localhost", "-keyout", certificates.path("self.key"), "-out",
        certificates.path("self.pem"), "-addext", "subjectAltName=DNS:localhost",
      ])
    for (name, reason) in [
      ("foreign", "unable to get local issuer certificate"),
      ("expired", "certificate has expired"), ("self", "self-signed certificate"),
    ] {
      let (server, port) = try serve(name)
      #expect(
        try await outcomes(port, authority) == [.failure(.certificate(reason))], "\(name)")
      #expect(try await outcomes(port, .anybody) == [.success([])])
      server.stop(deadline: .now()) {}
    }
    // No authority of the system has signed anything here.
    let (server, port) = try serve()
    let outcome = try await outcomes(port, .system)[0]
    #expect(
      outcome == .failure(.certificate("unable to get local issuer certificate"))
        || outcome == .failure(.certificate("unable to get issuer certificate")), "\(outcome)")
    server.stop(deadline: .now()) {}
  }

  @Test("what does not speak TLS is told apart")
  func noTLS() async throws {
    let plain = Server(
      configuration: ServerConfiguration(port: 0),
      handler: ClosureHandler { $1.send(Response(status: 200)) })
    let port = try plain.start()
    #expect(
      try await outcomes(port, authority)
        == [.failure(.tls("the server does not speak TLS at this port"))])
    plain.stop(deadline: .now()) {}
  }

  @Test("files without a certificate are refused")
  func files() throws {
    #expect(throws: TLSError.self) { try TLSAuthorities(.file(certificates.path("server.key"))) }
    #expect(throws: TLSError.self) { try TLSAuthorities(.file(certificates.path("none"))) }
  }

  @Test(
    "bytes that are no TLS, and an end in the handshake, end the request",
    arguments: [[0x16, 0x03, 0x01, 0x00, 0x02, 0x00, 0x00], [0x00], [0xFF, 0x80], []] as [[UInt8]])
  func broken(bytes: [UInt8]) async throws {
    let listener = try Socket.listen(at: .resolve(host: "127.0.0.1", port: 0))
    let port = try listener.localAddress().port
    let accepting = Thread {
      while true {
        guard let accepted = try? listener.accept() else {
          usleep(1000)
          continue
        }
        // The client's first message is read, so that no reset overtakes what is sent.
        while (try? accepted.0.receive(upTo: 1 << 16)) == nil { usleep(1000) }
        _ = try? accepted.0.send(bytes[...])
        accepted.0.shutdownWrite()
        return
      }
    }
    accepting.start()
    guard case .failure(.tls(let reason)) = try await outcomes(port, authority)[0] else {
      Issue.record("no failure of TLS")
      return
    }
    #expect(!reason.isEmpty)
  }
}
