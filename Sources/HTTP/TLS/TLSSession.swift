// One TLS connection as a state machine without IO: bytes from the peer go in, what they decrypt to
// and bytes for the peer come out. The shell around OpenSSL's SSL, which reads and writes memory
// (https://docs.openssl.org/3.0/man3/BIO_s_mem/).
//
// Both directions are bounded: what goes in is decrypted at once as far as whole records reach,
// and the caller encrypts no more than one record before the last one has left.

import COpenSSL

/// One side of a TLS connection (RFC 8446; RFC 5246 for version 1.2).
///
/// Not sendable: all of it is used on the connection's queue.
@safe package final class TLSSession {
  package enum State: Equatable {
    case handshake
    case established
    /// The peer said that it will send no more (close_notify); writing still works.
    case ended
    /// The peer broke the protocol or could not be agreed with; an alert may be unsent.
    case failed
  }

  /// Why a session failed, in words.
  package enum Failure: Equatable {
    /// What the peer showed is not believed.
    case certificate(String)
    case other(String)
  }

  package private(set) var state = State.handshake
  package private(set) var failure: Failure?
  private var output = OutputBuffer()

  private let ssl: OpaquePointer
  /// From the peer and to it; owned by `ssl`.
  private let incoming: OpaquePointer
  private let outgoing: OpaquePointer

  /// Plain bytes of a full record (RFC 8446, section 5.1).
  package static let recordBytes = 1 << 14

  /// The server's side.
  convenience init(_ context: TLSContext) {
    unsafe self.init(from: context.pointer)
    unsafe SSL_set_accept_state(ssl)
  }

  /// The client's side, which has its first message to send at once.
  /// - Parameter host: a name or a numeric address that the server's certificate must be for, if
  ///   it is looked at.
  package convenience init(_ authorities: TLSAuthorities, host: String) {
    unsafe self.init(from: authorities.pointer)
    unsafe SSL_set_connect_state(ssl)
    let parameters = unsafe SSL_get0_param(ssl)
    if unsafe X509_VERIFY_PARAM_set1_ip_asc(parameters, host) != 1 {
      unsafe X509_VERIFY_PARAM_set_hostflags(
        parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
      // Addresses are not sent (RFC 6066, section 3).
      let isNamed = unsafe SSL_set1_host(ssl, host) & shim_SSL_set_tlsext_host_name(ssl, host) == 1
      guard isNamed else {
        fail()
        return
      }
    }
    OpenSSLErrors.clear()
    _ = unsafe SSL_do_handshake(ssl)
    collectOutput()
  }

  /// `ssl` counts the references to what it is made from.
  private init(from context: OpaquePointer) {
    guard let ssl = unsafe SSL_new(context), let incoming = unsafe BIO_new(BIO_s_mem()),
      let outgoing = unsafe BIO_new(BIO_s_mem())
    else { preconditionFailure("no memory for a TLS session") }
    unsafe self.ssl = ssl
    unsafe self.incoming = incoming
    unsafe self.outgoing = outgoing
    unsafe SSL_set_bio(ssl, incoming, outgoing)
  }

  deinit { unsafe SSL_free(ssl) }

  /// Whether application bytes may be sent.
  package var canEncrypt: Bool { state == .established || state == .ended }

  /// Encrypted bytes for the peer.
  package var unsent: ArraySlice<UInt8> { output.unsent }

  /// Whether to take more: a peer that takes no answers to its TLS messages may send no more.
  package var wantsInput: Bool { unsent.count < HTTPLimits.tlsBacklogBytes }

  /// Takes bytes from the peer and returns the application's bytes among them. `unsent` and
  /// `state` change with what they say.
  package func receive(_ bytes: [UInt8]) -> [UInt8] {
    guard state == .handshake || state == .established else { return [] }
    guard unsafe BIO_write(incoming, bytes, Int32(bytes.count)) == bytes.count else {
      fail()
      return []
    }
    var plain: [UInt8] = []
    while state == .handshake || state == .established {
      guard let record = read() else { break }
      plain += record
    }
    collectOutput()
    return plain
  }

  /// The bytes of one record, nil when there is no whole one; handshakes on the way.
  private func read() -> [UInt8]? {
    OpenSSLErrors.clear()
    var status: Int32 = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Self.recordBytes) { buffer, filled in
      status = unsafe SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &filled)
    }
    if state == .handshake, unsafe SSL_is_init_finished(ssl) == 1 { state = .established }
    if status == 1 { return bytes }
    switch unsafe SSL_get_error(ssl, status) {
    case SSL_ERROR_WANT_READ: break
    case SSL_ERROR_ZERO_RETURN where state == .established: state = .ended
    default: fail()
    }
    return nil
  }

  private func fail() {
    state = .failed
    let reason = OpenSSLErrors.takeFirst()
    let verdict = unsafe SSL_get_verify_result(ssl)
    if verdict == Int(X509_V_OK) {
      failure = .other(reason)
    } else {
      failure = .certificate(unsafe String(cString: X509_verify_cert_error_string(verdict)))
    }
  }

  /// Encrypts a beginning of `bytes`, at most one record, into `unsent` and returns its length.
  package func encrypt(_ bytes: ArraySlice<UInt8>) -> Int {
    guard canEncrypt, !bytes.isEmpty else { return 0 }
    OpenSSLErrors.clear()
    var written = 0
    let status = unsafe bytes.withUnsafeBytes { buffer in
      unsafe SSL_write_ex(
        ssl, buffer.baseAddress, min(buffer.count, Self.recordBytes), &written)
    }
    if status != 1 { fail() }
    collectOutput()
    return written
  }

  /// Tells the peer that no more bytes will come (RFC 8446, section 6.1).
  package func close() {
    // Called again, OpenSSL would wait for the peer's own close.
    guard canEncrypt, unsafe SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN == 0 else { return }
    OpenSSLErrors.clear()
    _ = unsafe SSL_shutdown(ssl)
    collectOutput()
  }

  /// `count` of the unsent bytes have left.
  package func didSend(_ count: Int) { output.dropFirst(count) }

  private func collectOutput() {
    let count = unsafe BIO_ctrl_pending(outgoing)
    guard count > 0 else { return }
    output.append(
      unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        filled = Int(unsafe BIO_read(outgoing, buffer.baseAddress, Int32(buffer.count)))
      })
  }
}
