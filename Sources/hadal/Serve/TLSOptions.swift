// HTTPS: which files make it, and reading them again on SIGHUP.

import ArgumentParser
import Glibc
import HTTP
import Logging

struct TLSOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Serve HTTPS with this certificate: a PEM file, the certificates that lead to its root \
      behind it. Read again on SIGHUP, as the files below.
      """, valueName: "file"))
  var tlsCert: String?

  @Option(
    help: ArgumentHelp(
      "The certificate's private key: a PEM file without password.", valueName: "file"))
  var tlsKey: String?

  @Option(
    help: ArgumentHelp(
      "Serve only clients with a certificate signed by one of this PEM file.", valueName: "file"))
  var tlsClientCa: String?

  func validate() throws {
    guard (tlsCert == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-cert and --tls-key need each other")
    }
    guard tlsClientCa == nil || tlsCert != nil else {
      throw ValidationError("--tls-client-ca needs --tls-cert and --tls-key")
    }
  }

  /// The files' contents, nil for plain HTTP; warns of a certificate that clients will refuse.
  func credentials(_ log: Logger) throws -> TLSCredentials? {
    guard let tlsCert, let tlsKey else { return nil }
    let credentials = try TLSCredentials(
      TLSFiles(certificate: tlsCert, key: tlsKey, clientAuthorities: tlsClientCa))
    credentials.warnOfExpiry(log)
    return credentials
  }
}

extension TLSCredentials {
  /// Reads the files again; when one is bad, says so and keeps what was there.
  func reload(_ log: Logger) {
    do {
      try reload()
      log.info("certificate reloaded", metadata: ["expires": "\(validity.end)"])
      warnOfExpiry(log)
    } catch {
      log.error("certificate not reloaded, the former one stays", metadata: ["reason": "\(error)"])
    }
  }

  fileprivate func warnOfExpiry(_ log: Logger) {
    guard let objection = validity.objection(at: time(nil)) else { return }
    log.warning("\(objection)", metadata: ["file": "\(files.certificate)"])
  }
}
