// Why a server's certificate, key or authorities cannot be used, in words an operator can act on.

import Platform

/// What is wrong with the files that TLS is set up from.
public enum TLSError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A file that cannot be read.
  case unreadable(PlatformError)
  /// A file without a certificate in PEM form, or with one that cannot be parsed.
  case noCertificate(path: String)
  /// A file without a private key in PEM form, or with one that cannot be parsed.
  case noKey(path: String)
  /// A key that only a password opens; a server that restarts by itself has nobody to ask.
  case encryptedKey(path: String)
  /// The key is not that of the first certificate.
  case keyMismatch(certificate: String, key: String)
  /// A certificate that OpenSSL refuses to use, and why: a weak key or signature, for example.
  case refused(path: String, reason: String)
  /// OpenSSL itself cannot be set up.
  case library(String)

  public var description: String {
    switch self {
    case .unreadable(let error): "\(error)"
    case .noCertificate(let path): "\(path): no readable certificate in PEM form"
    case .noKey(let path): "\(path): no readable private key in PEM form"
    case .encryptedKey(let path): "\(path): the key is protected by a password; store it without"
    case .keyMismatch(let certificate, let key):
      "\(key): the key does not match the first certificate of \(certificate)"
    case .refused(let path, let reason): "\(path): \(reason)"
    case .library(let reason): "OpenSSL: \(reason)"
    }
  }
}
