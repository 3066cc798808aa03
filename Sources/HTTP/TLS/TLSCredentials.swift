// What a TLS server shows its clients and asks of them, exchangeable while it runs: a connection
// keeps what it began with.

import Synchronization

/// The PEM files that TLS is set up from.
public struct TLSFiles: Sendable, Equatable {
  /// The server's certificate first, then those that lead to its root.
  public var certificate: String
  /// The private key of the first certificate, not protected by a password.
  public var key: String
  /// Certificates of which one must have signed every client's; nil asks clients for none.
  public var clientAuthorities: String?

  public init(certificate: String, key: String, clientAuthorities: String? = nil) {
    self.certificate = certificate
    self.key = key
    self.clientAuthorities = clientAuthorities
  }
}

/// When a certificate is valid, in seconds since 1970, both ends included.
public struct CertificateValidity: Sendable, Equatable {
  public let notBefore: Int
  public let notAfter: Int

  package init(notBefore: Int, notAfter: Int) {
    self.notBefore = notBefore
    self.notAfter = notAfter
  }

  /// The last moment as a date of RFC 9110, section 5.6.7.
  public var end: String { ResponseEncoder.date(notAfter) }

  /// What clients will object to at `time`, nil when they have no reason to.
  public func objection(at time: Int) -> String? {
    if time < notBefore {
      return "the certificate is not valid before \(ResponseEncoder.date(notBefore))"
    }
    return time > notAfter ? "the certificate expired on \(end)" : nil
  }
}

/// The files' present contents, shared by the server and whoever asks for a reload.
public final class TLSCredentials: Sendable {
  public let files: TLSFiles
  private let current: Mutex<TLSContext>

  /// Reads the files. Throws when one is missing, does not parse or does not fit the others.
  public init(_ files: TLSFiles) throws(TLSError) {
    self.files = files
    current = Mutex(try TLSContext(files))
  }

  /// Reads the files again; later connections get what they hold now. Throws as `init` does, and
  /// then nothing has changed.
  public func reload() throws(TLSError) {
    let renewed = try TLSContext(files)
    current.withLock { $0 = renewed }
  }

  /// When the certificate in use is valid.
  public var validity: CertificateValidity { current.withLock { $0.validity } }

  /// For a new connection.
  package func makeSession() -> TLSSession { TLSSession(current.withLock { $0 }) }
}
