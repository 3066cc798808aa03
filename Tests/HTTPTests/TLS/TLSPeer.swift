// The client's half of TLS without a socket: OpenSSL over memory, as the server's half, but with
// every habit that a test wants.

import COpenSSL

/// A client in memory. Bytes for the server are taken by `takeOutput`.
@safe final class TLSPeer {
  struct Failure: Error { let reason: String }

  private let context: OpaquePointer
  private let ssl: OpaquePointer
  private let incoming: OpaquePointer
  private let outgoing: OpaquePointer

  /// - Parameters:
  ///   - version: the only version that is offered, such as `TLS1_3_VERSION`.
  ///   - authority: the file with the authority that must have signed the server's certificate.
  ///   - ciphers: what is offered below version 1.3, in OpenSSL's words.
  init(version: Int32, authority: String, ciphers: String = "DEFAULT") throws {
    guard let context = unsafe SSL_CTX_new(TLS_client_method()) else {
      throw Failure(reason: "no memory")
    }
    unsafe self.context = context
    _ = unsafe shim_SSL_CTX_set_min_proto_version(context, version)
    _ = unsafe SSL_CTX_load_verify_locations(context, authority, nil)
    unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    _ = unsafe SSL_CTX_set_cipher_list(context, ciphers)
    guard let ssl = unsafe SSL_new(context), let incoming = unsafe BIO_new(BIO_s_mem()),
      let outgoing = unsafe BIO_new(BIO_s_mem())
    else { preconditionFailure("no memory for a TLS client") }
    unsafe self.ssl = ssl
    unsafe self.incoming = incoming
    unsafe self.outgoing = outgoing
    _ = unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    unsafe SSL_set_bio(ssl, incoming, outgoing)
    unsafe SSL_set_connect_state(ssl)
  }

  deinit {
    unsafe SSL_free(ssl)
    unsafe SSL_CTX_free(context)
  }

  var isEstablished: Bool { unsafe SSL_is_init_finished(ssl) == 1 }
  /// Whether the server said that it is done.
  var isEnded: Bool { unsafe SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 }

  func feed(_ bytes: some Collection<UInt8>) {
    let bytes = Array(bytes)
    _ = unsafe BIO_write(incoming, bytes, Int32(bytes.count))
  }

  /// Goes on with the handshake and gives what the server's bytes decrypt to.
  func read() throws -> [UInt8] {
    var plain: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      ERR_clear_error()
      var count = 0
      let status = unsafe SSL_read_ex(ssl, &chunk, chunk.count, &count)
      plain += chunk[..<count]
      if status == 1 { continue }
      switch unsafe SSL_get_error(ssl, status) {
      case SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN: return plain
      default:
        throw Failure(reason: unsafe String(cString: ERR_reason_error_string(ERR_get_error())))
      }
    }
  }

  func write(_ bytes: [UInt8]) throws {
    var count = 0
    guard unsafe SSL_write_ex(ssl, bytes, bytes.count, &count) == 1, count == bytes.count else {
      throw Failure(reason: "cannot write")
    }
  }

  /// Says close_notify.
  func close() { _ = unsafe SSL_shutdown(ssl) }

  /// Asks for new keys, and the server to change its own (TLS 1.3).
  func updateKeys() throws {
    guard unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1,
      unsafe SSL_do_handshake(ssl) == 1
    else { throw Failure(reason: "cannot update keys") }
  }

  /// Asks for a new handshake (TLS 1.2); tells whether it went on.
  func renegotiate() {
    _ = unsafe SSL_renegotiate(ssl)
    _ = unsafe SSL_do_handshake(ssl)
  }

  func takeOutput() -> [UInt8] {
    let count = unsafe BIO_ctrl_pending(outgoing)
    guard count > 0 else { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = Int(unsafe BIO_read(outgoing, buffer.baseAddress, Int32(buffer.count)))
    }
  }
}
