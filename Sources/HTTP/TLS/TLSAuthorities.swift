// Whom a client believes to be the server that it means: the client's half of the shell around
// OpenSSL's SSL_CTX.

import COpenSSL

/// What a server's certificate must lead to.
public enum TLSTrust: Sendable, Equatable {
  /// The authorities of the system, or of SSL_CERT_FILE and SSL_CERT_DIR, where OpenSSL looks.
  case system
  /// One of the certificates of a file in PEM form.
  case file(String)
  /// Nothing: whoever answers is believed.
  case anybody
}

/// Everything that the TLS connections of a client have in common; never changed once made.
@safe public final class TLSAuthorities: @unchecked Sendable {
  // Unchecked because of the pointer. No queue guards it: after init nothing changes the SSL_CTX
  // but OpenSSL's own counting of references, which is safe between threads (openssl-threads(7)).
  let pointer: OpaquePointer

  /// Throws when a file cannot be read or holds no certificate.
  public init(_ trust: TLSTrust) throws(TLSError) {
    OpenSSLErrors.clear()
    guard let context = unsafe SSL_CTX_new(TLS_client_method()) else {
      throw .library(OpenSSLErrors.takeFirst())
    }
    // From here on deinit frees it, also when what follows throws.
    unsafe pointer = context
    unsafe SSL_CTX_set_options(context, shim_SSL_OP_NO_COMPRESSION | shim_SSL_OP_NO_RENEGOTIATION)
    unsafe shim_SSL_CTX_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS))
    let offered = Array("\u{8}http/1.1".utf8)
    guard unsafe shim_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1,
      // Zero is success, unlike everywhere else.
      unsafe SSL_CTX_set_alpn_protos(context, offered, UInt32(offered.count)) == 0
    else { throw .library(OpenSSLErrors.takeFirst()) }
    switch trust {
    case .anybody: return
    case .system:
      guard unsafe SSL_CTX_set_default_verify_paths(context) == 1 else {
        throw .library(OpenSSLErrors.takeFirst())
      }
    case .file(let path):
      for authority in try PEMFile.certificates(path) {
        guard unsafe X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.pointer) == 1
        else { throw .refused(path: path, reason: OpenSSLErrors.takeFirst()) }
      }
    }
    unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
  }

  deinit { unsafe SSL_CTX_free(pointer) }
}
