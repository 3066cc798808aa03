// Certificates and keys, made by the openssl command in a folder of their own.

import Foundation
import HTTP

/// A folder with an authority and what it signed; removed with its owner.
final class TestCertificates: Sendable {
  /// For tests that change nothing about it.
  static let shared = Result { try TestCertificates() }

  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "hadal-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try makeAuthority("ca")
    try sign("server", by: "ca")
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func path(_ name: String) -> String { folder.appending(path: name).path() }

  var files: TLSFiles { TLSFiles(certificate: path("server.pem"), key: path("server.key")) }

  func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: folder.appending(path: name))
  }

  func text(_ name: String) throws -> String {
    try String(contentsOf: folder.appending(path: name), encoding: .utf8)
  }

  /// `name`.pem and `name`.key of an authority.
  func makeAuthority(_ name: String) throws {
    try openssl(
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
      "30", "-subj", "/CN=\(name)", "-keyout", path("\(name).key"), "-out", path("\(name).pem"),
      "-addext", "basicConstraints=critical,CA:TRUE")
  }

  /// `name`.pem and `name`.key for localhost or other names, signed by an authority.
  func sign(
    _ name: String, by authority: String, key: [String] = elliptic, days: Int = 30,
    names: String = "DNS:localhost,IP:127.0.0.1"
  ) throws {
    try openssl(
      ["req", "-new"] + key + [
        "-nodes", "-subj", "/CN=\(name)", "-keyout", path("\(name).key"), "-out",
        path("\(name).csr"), "-addext", "subjectAltName=\(names)",
      ])
    try openssl(
      "x509", "-req", "-in", path("\(name).csr"), "-CA", path("\(authority).pem"), "-CAkey",
      path("\(authority).key"), "-CAcreateserial", "-copy_extensions", "copy", "-days", "\(days)",
      "-out", path("\(name).pem"))
  }

  static let elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

  func openssl(_ arguments: String...) throws { try openssl(arguments) }

  func openssl(_ arguments: [String]) throws {
    let outcome = try Command.run(["openssl"] + arguments)
    guard outcome.status == 0 else { throw TestClient.Failure(reason: outcome.errors) }
  }
}
