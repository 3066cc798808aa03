// The shell around OpenSSL's SSL_CTX: what is spoken, and the contents of certificate and key.
// OpenSSL: https://docs.openssl.org/3.0/man3/SSL_CTX_new/ and the pages it leads to.

import COpenSSL
import Glibc
import Platform

/// Everything that the connections of a server have in common; never changed once made.
@safe final class TLSContext: @unchecked Sendable {
  // Unchecked because of the pointer. No queue guards it: after init nothing changes the SSL_CTX
  // but OpenSSL's own counting of references, which is safe between threads (openssl-threads(7)).
  let pointer: OpaquePointer
  let validity: CertificateValidity

  /// Forward secrecy and authenticated encryption only, in the server's order of preference:
  /// Mozilla's "intermediate" list without finite-field Diffie-Hellman.
  private static let ciphers = [
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
  ].joined(separator: ":")
  private static let ciphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
  private static let groups = "X25519:P-256:P-384"
  /// At least 112 bits everywhere: no RSA key below 2048 bits, no SHA-1 signature.
  private static let securityLevel: Int32 = 2

  init(_ files: TLSFiles) throws(TLSError) {
    OpenSSLErrors.clear()
    let chain = try PEMFile.certificates(files.certificate)
    guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
      throw .library(OpenSSLErrors.takeFirst())
    }
    validity = chain[0].validity
    // From here on deinit frees it, also when what follows throws.
    unsafe pointer = context
    try unsafe Self.choose(context)
    try unsafe Self.present(chain, files, in: context)
    if let path = files.clientAuthorities {
      try unsafe Self.ask(for: try PEMFile.certificates(path), path, in: context)
    }
  }

  deinit { unsafe SSL_CTX_free(pointer) }

  /// Versions, ciphers and habits.
  private static func choose(_ context: OpaquePointer) throws(TLSError) {
    unsafe SSL_CTX_set_security_level(context, securityLevel)
    let options =
      shim_SSL_OP_NO_COMPRESSION | shim_SSL_OP_NO_RENEGOTIATION
      | shim_SSL_OP_CIPHER_SERVER_PREFERENCE
      // A client that prefers ChaCha20 has no AES instructions.
      | shim_SSL_OP_PRIORITIZE_CHACHA
    unsafe SSL_CTX_set_options(context, options)
    // An idle connection holds no record buffers.
    unsafe shim_SSL_CTX_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS))
    // Sessions resume by tickets, which the clients keep: no memory here grows with them.
    unsafe shim_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
    unsafe shim_SSL_CTX_select_http1(context)
    let isChosen = unsafe [
      shim_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION),
      SSL_CTX_set_cipher_list(context, ciphers), SSL_CTX_set_ciphersuites(context, ciphers13),
      shim_SSL_CTX_set1_groups_list(context, groups),
    ].allSatisfy { $0 == 1 }
    guard isChosen else { throw .library(OpenSSLErrors.takeFirst()) }
  }

  /// Shows `chain` to clients, proved by the key.
  private static func present(
    _ chain: [Certificate], _ files: TLSFiles, in context: OpaquePointer
  ) throws(TLSError) {
    guard unsafe SSL_CTX_use_certificate(context, chain[0].pointer) == 1 else {
      throw .refused(path: files.certificate, reason: OpenSSLErrors.takeFirst())
    }
    for certificate in chain.dropFirst() {
      guard unsafe shim_SSL_CTX_add1_chain_cert(context, certificate.pointer) == 1 else {
        throw .refused(path: files.certificate, reason: OpenSSLErrors.takeFirst())
      }
    }
    let key = try unsafe PEMFile.key(files.key)
    defer { unsafe EVP_PKEY_free(key) }
    guard unsafe X509_check_private_key(chain[0].pointer, key) == 1 else {
      OpenSSLErrors.clear()
      throw .keyMismatch(certificate: files.certificate, key: files.key)
    }
    guard unsafe SSL_CTX_use_PrivateKey(context, key) == 1 else {
      throw .refused(path: files.key, reason: OpenSSLErrors.takeFirst())
    }
  }

  /// Lets only clients in whose certificates lead to one of `authorities`.
  private static func ask(
    for authorities: [Certificate], _ path: String, in context: OpaquePointer
  ) throws(TLSError) {
    for authority in authorities {
      // The store is the context's own; the names tell clients which certificate to choose.
      guard unsafe X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.pointer) == 1,
        unsafe SSL_CTX_add_client_CA(context, authority.pointer) == 1
      else { throw .refused(path: path, reason: OpenSSLErrors.takeFirst()) }
    }
    unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    // A ticket of a verified client is of no use without a name for what it was verified for.
    let name = Array("hadal".utf8)
    _ = unsafe SSL_CTX_set_session_id_context(context, name, UInt32(name.count))
  }
}
