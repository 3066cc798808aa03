// Servers on the loopback interface, reached plainly or through TLS.

import COpenSSL
import Dispatch
import HTTP

/// What lies between a client and a server.
enum Wire: CaseIterable {
  case plain, tls12, tls13

  /// Plain, and through the newest TLS: for tests that are not about its versions.
  static let both: [Wire] = [.plain, .tls13]

  /// What the server presents.
  fileprivate func credentials() throws -> TLSCredentials? {
    self == .plain ? nil : try TLSCredentials(TestCertificates.shared.get().files)
  }

  /// A client of a server behind this wire.
  func connect(_ port: UInt16, host: String = "127.0.0.1") throws -> TestClient {
    guard self != .plain else { return try TestClient(port: port, host: host) }
    let peer = try TLSPeer(
      version: self == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION,
      authority: TestCertificates.shared.get().path("ca.pem"))
    return try TestClient(port: port, host: host, tls: peer)
  }
}

/// A server that runs until `stop`, and its port.
func serve(
  host: String = "127.0.0.1", over wire: Wire = .plain,
  configured change: (inout ServerConfiguration) -> Void = { _ in },
  _ body: @escaping @Sendable (Request, Responder) -> Void
) throws -> (server: Server, port: UInt16) {
  var configuration = ServerConfiguration(host: host, port: 0)
  configuration.tls = try wire.credentials()
  change(&configuration)
  let server = Server(configuration: configuration, handler: ClosureHandler(body: body))
  return (server, try server.start())
}

/// Ends a server and waits until it has no connection left.
func stop(_ server: Server, after seconds: Double = 0) async {
  await withCheckedContinuation { continuation in
    server.stop(deadline: .now() + seconds) { continuation.resume() }
  }
}

/// Waits until a server's numbers are as they are to be: they come a moment after what they count.
func until(_ server: Server, _ condition: (ServerStatistics) -> Bool) async throws {
  while !condition(server.statistics) { try await Task.sleep(for: .milliseconds(1)) }
}
