// Between a connection, a server's or a client's, and its socket: bytes as they are, or through
// TLS. Non-blocking calls alone; the connection decides when to make them.

import Platform

struct Transport {
  /// What a look at the socket brought.
  struct Arrival {
    var bytes: [UInt8] = []
    var ending: Ending?
  }

  /// Why no more bytes will come.
  enum Ending {
    /// The peer ended its side.
    case orderly
    /// The peer broke off: a TLS connection that ends without saying so may have been cut by
    /// anybody (RFC 8446, section 6.1), or what it sent was no TLS.
    case torn
    /// The peer speaks HTTP where TLS is expected. From here on the transport speaks it too, so
    /// that a client can be told.
    case plainHTTP
  }

  let socket: Socket
  private var tls: TLSSession?
  private var isFresh = true
  /// Bytes of the application whose encryption has not left entirely.
  private var inFlight = 0
  private var isEnding = false

  /// Without a session, bytes go as they are.
  init(_ socket: Socket, tls: TLSSession?) {
    self.socket = socket
    self.tls = tls
  }

  /// Why TLS failed, if it did.
  var failure: TLSSession.Failure? { tls?.failure }

  var isHandshaking: Bool { tls?.state == .handshake }

  /// Whether to read, as far as TLS has a say.
  var wantsInput: Bool { tls?.wantsInput ?? true }

  /// Whether to write when the socket takes bytes; `hasOutput` says that the application has some.
  func wantsOutput(_ hasOutput: Bool) -> Bool {
    guard let tls else { return hasOutput }
    return !tls.unsent.isEmpty || (hasOutput && tls.canEncrypt)
  }

  /// Bytes from the peer, as far as they are there; nil when none are.
  mutating func receive(upTo count: Int) throws(PlatformError) -> Arrival? {
    guard let tls else {
      guard let bytes = try socket.receive(upTo: count) else { return nil }
      return bytes.isEmpty ? Arrival(ending: .orderly) : Arrival(bytes: bytes)
    }
    guard let bytes = try socket.receive(upTo: min(count, HTTPLimits.tlsReadBytes)) else {
      return nil
    }
    // A record of TLS begins with a byte below 32 (RFC 8446, section 5.1), a request or an answer
    // of HTTP with text.
    if isFresh, let first = bytes.first, (0x20...0x7E).contains(first) {
      self.tls = nil
      return Arrival(ending: .plainHTTP)
    }
    isFresh = false
    if bytes.isEmpty { return Arrival(ending: .torn) }
    let plain = tls.receive(bytes)
    switch tls.state {
    case .handshake, .established: return Arrival(bytes: plain)
    case .ended: return Arrival(bytes: plain, ending: .orderly)
    case .failed:
      // The alert that says why; a peer that does not take it at once goes without.
      _ = try flush()
      return Arrival(bytes: [], ending: .torn)
    }
  }

  /// Sends a beginning of `bytes` and returns its length; nil when the socket takes none now. After
  /// nil the next call must be given the same bytes again, more behind them allowed.
  mutating func send(_ bytes: ArraySlice<UInt8>) throws(PlatformError) -> Int? {
    guard let tls else { return try socket.send(bytes) }
    if inFlight == 0 { inFlight = tls.encrypt(bytes) }
    guard inFlight > 0, try flush() else { return nil }
    defer { inFlight = 0 }
    return inFlight
  }

  /// Sends what TLS itself has to say; true when nothing is left of it.
  @discardableResult
  mutating func flush() throws(PlatformError) -> Bool {
    guard let tls else { return true }
    while !tls.unsent.isEmpty {
      guard let count = try socket.send(tls.unsent) else { return false }
      tls.didSend(count)
    }
    if isEnding {
      isEnding = false
      socket.shutdownWrite()
    }
    return true
  }

  /// Ends the sending side when everything is sent.
  mutating func shutdownWrite() {
    guard let tls else { return socket.shutdownWrite() }
    tls.close()
    isEnding = true
  }

  /// The last word before the socket is closed, as far as it takes it at once: whoever got all that
  /// was promised can tell so.
  mutating func farewell() {
    tls?.close()
    _ = try? flush()
  }
}
