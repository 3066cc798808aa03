// Files that TLS can and cannot be set up from.

import Foundation
import HTTP
import Platform
import Testing

@Suite("TLS credentials")
struct TLSCredentialsTests {
  private let certificates: TestCertificates

  init() throws { certificates = try TestCertificates() }

  private func failure(_ files: TLSFiles) -> TLSError? {
    do throws(TLSError) {
      _ = try TLSCredentials(files)
      return nil
    } catch {
      return error
    }
  }

  private func path(_ name: String) -> String { certificates.path(name) }

  @Test("RSA, elliptic and Ed25519 keys, chains and bundles are taken")
  func good() throws {
    for (name, key) in [
      ("rsa", ["-newkey", "rsa:2048"]), ("ec", TestCertificates.elliptic),
      ("edwards", ["-newkey", "ed25519"]),
    ] {
      try certificates.sign(name, by: "ca", key: key)
      let chain = try certificates.text("\(name).pem") + certificates.text("ca.pem")
      try certificates.write("chain.pem", "Text before is allowed.\n" + chain)
      let files = TLSFiles(
        certificate: path("chain.pem"), key: path("\(name).key"),
        clientAuthorities: path("chain.pem"))
      #expect(failure(files) == nil)
    }
  }

  @Test("bad files are named, with what is wrong")
  func bad() throws {
    try certificates.sign("other", by: "ca")
    try certificates.sign("rsa", by: "ca", key: ["-newkey", "rsa:2048"])
    try certificates.sign("weak", by: "ca", key: ["-newkey", "rsa:1024"])
    try certificates.openssl(
      "ec", "-in", path("server.key"), "-aes256", "-passout", "pass:secret", "-out",
      path("locked.key"))
    try certificates.write("empty.pem", "")
    let whole = try certificates.text("server.pem")
    try certificates.write("cut.pem", String(whole.dropLast(60)))
    try certificates.write("half.pem", whole + whole.dropLast(60))
    let server = path("server.pem")
    let key = path("server.key")
    let none = PlatformError.systemCall(name: "open", errno: ENOENT, subject: path("none"))

    func check(_ certificate: String, _ key: String, _ wanted: TLSError) {
      #expect(failure(TLSFiles(certificate: certificate, key: key)) == wanted)
    }
    check(path("none"), key, .unreadable(none))
    check(server, path("none"), .unreadable(none))
    check(path(""), key, .unreadable(.notARegularFile(path(""))))
    for name in ["empty.pem", "cut.pem", "half.pem", "server.key"] {
      check(path(name), key, .noCertificate(path: path(name)))
    }
    for name in ["empty.pem", "server.pem"] { check(server, path(name), .noKey(path: path(name))) }
    check(server, path("locked.key"), .encryptedKey(path: path("locked.key")))
    for name in ["other.key", "rsa.key"] {
      check(server, path(name), .keyMismatch(certificate: server, key: path(name)))
    }
    guard
      case .refused(path("weak.pem"), let reason) = failure(
        TLSFiles(certificate: path("weak.pem"), key: path("weak.key")))
    else {
      Issue.record("a key of 1024 bits is taken")
      return
    }
    #expect(reason.contains("too small"))
    var files = certificates.files
    files.clientAuthorities = path("empty.pem")
    #expect(failure(files) == .noCertificate(path: path("empty.pem")))
  }

  @Test("a bad reload changes nothing")
  func reload() throws {
    let credentials = try TLSCredentials(certificates.files)
    let first = credentials.validity
    let server = try certificates.text("server.pem")
    try certificates.write("server.pem", "nothing")
    #expect(throws: TLSError.noCertificate(path: path("server.pem"))) { try credentials.reload() }
    #expect(credentials.validity == first)
    try certificates.write("server.pem", server)
    try certificates.sign("server", by: "ca", days: 60)
    try credentials.reload()
    #expect(credentials.validity.notAfter > first.notAfter + 29 * 86_400)
  }

  @Test("clients' objections to a time")
  func validity() {
    let validity = CertificateValidity(notBefore: 1000, notAfter: 784_111_777)
    #expect(validity.objection(at: 999)?.contains("01 Jan 1970 00:16:40") == true)
    #expect(validity.objection(at: 1000) == nil && validity.objection(at: 784_111_777) == nil)
    #expect(
      validity.objection(at: 784_111_778)
        == "the certificate expired on Sun, 06 Nov 1994 08:49:37 GMT")
  }
}
