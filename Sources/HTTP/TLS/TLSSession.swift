// One client's TLS connection as a state machine without IO: bytes from the client go in, what
// they decrypt to and bytes for the client come out. The shell around OpenSSL's SSL, which reads
// and writes memory (https://docs.openssl.org/3.0/man3/BIO_s_mem/).
//
// Both directions are bounded: what goes in is decrypted at once as far as whole records reach,
// and the caller encrypts no more than one record before the last one has left.

import COpenSSL

/// The server's side of one TLS connection (RFC 8446; RFC 5246 for version 1.2).
///
/// Not sendable: all of it is used on the connection's queue.
@safe package final class TLSSession {
  package enum State: Equatable {
    case handshake
    case established
    /// The client said that it will send no more (close_notify); writing still works.
    case ended
    /// The client broke the protocol or could not be agreed with; an alert may be unsent.
    case failed
  }

  package private(set) var state = State.handshake
  private var output = OutputBuffer()

  private let ssl: OpaquePointer
  /// From the client and to it; owned by `ssl`.
  private let incoming: OpaquePointer
  private let outgoing: OpaquePointer
  /// Keeps what `ssl` was made from.
  private let context: TLSContext

  /// Plain bytes of a full record (RFC 8446, section 5.1).
  package static let recordBytes = 1 << 14

  init(_ context: TLSContext) {
    self.context = context
    guard let ssl = unsafe SSL_new(context.pointer), let incoming = unsafe BIO_new(BIO_s_mem()),
      let outgoing = unsafe BIO_new(BIO_s_mem())
    else { preconditionFailure("no memory for a TLS session") }
    unsafe self.ssl = ssl
    unsafe self.incoming = incoming
    unsafe self.outgoing = outgoing
    unsafe SSL_set_bio(ssl, incoming, outgoing)
    unsafe SSL_set_accept_state(ssl)
  }

  deinit { unsafe SSL_free(ssl) }

  /// Whether application bytes may be sent.
  package var canEncrypt: Bool { state == .established || state == .ended }

  /// Encrypted bytes for the client.
  package var unsent: ArraySlice<UInt8> { output.unsent }

  /// Whether to take more: a client that takes no answers to its TLS messages may send no more.
  package var wantsInput: Bool { unsent.count < HTTPLimits.tlsBacklogBytes }

  /// Takes bytes from the client and returns the application's bytes among them. `unsent` and
  /// `state` change with what they say.
  package func receive(_ bytes: [UInt8]) -> [UInt8] {
    guard state == .handshake || state == .established else { return [] }
    guard unsafe BIO_write(incoming, bytes, Int32(bytes.count)) == bytes.count else {
      state = .failed
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
    default: state = .failed
    }
    return nil
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
    if status != 1 { state = .failed }
    collectOutput()
    return written
  }

  /// Tells the client that no more bytes will come (RFC 8446, section 6.1).
  package func close() {
    // Called again, OpenSSL would wait for the client's own close.
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
