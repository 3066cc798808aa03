// Stream sockets: the system calls of a TCP server and a simple client. Protocols live above.

import Glibc

/// A TCP socket; the descriptor closes with the last reference, so whoever watches the descriptor
/// keeps the socket.
public final class Socket: Sendable {
  private let descriptor: FileDescriptor

  private init(_ descriptor: consuming FileDescriptor) {
    self.descriptor = descriptor
  }

  /// The descriptor's number, for readiness notification.
  public var raw: Int32 { descriptor.raw }

  // MARK: - Opening

  /// A non-blocking listener at `address`.
  public static func listen(
    at address: SocketAddress, backlog: Int32
  ) throws(PlatformError) -> Socket {
    let subject = address.description
    let socket = try open(family: address.family, flags: SOCK_NONBLOCK, subject: subject)
    // A restarted server may take its port although old connections linger in TIME_WAIT.
    try socket.set(SOL_SOCKET, SO_REUSEADDR, Int32(1))
    _ = try systemCall("bind", subject: subject) {
      unsafe address.withPointer { unsafe bind(socket.raw, $0, $1) }
    }
    _ = try systemCall("listen", subject: subject) { Glibc.listen(socket.raw, backlog) }
    return socket
  }

  /// A blocking connection to `address` whose calls give up after `timeout` seconds.
  public static func connect(
    to address: SocketAddress, timeout: Int
  ) throws(PlatformError) -> Socket {
    let subject = address.description
    let socket = try open(family: address.family, flags: nil, subject: subject)
    let limit = timeval(tv_sec: timeout, tv_usec: 0)
    try socket.set(SOL_SOCKET, SO_RCVTIMEO, limit)
    try socket.set(SOL_SOCKET, SO_SNDTIMEO, limit)
    try socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
    _ = try systemCall("connect", subject: subject) {
      unsafe address.withPointer { unsafe Glibc.connect(socket.raw, $0, $1) }
    }
    return socket
  }

  static func open(
    family: Int32, flags: __socket_type?, subject: String
  ) throws(PlatformError) -> Socket {
    let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | (flags?.rawValue ?? 0)
    let raw = try systemCall("socket", subject: subject) { socket(family, Int32(kind), 0) }
    return Socket(FileDescriptor(owning: raw))
  }

  func set<Value>(
    _ level: Int32, _ option: Int32, _ value: Value
  ) throws(PlatformError) {
    _ = try systemCall("setsockopt") {
      unsafe withUnsafePointer(to: value) {
        unsafe setsockopt(raw, level, option, $0, socklen_t(MemoryLayout<Value>.size))
      }
    }
  }

  /// The address the socket is bound to; tells the port that the system chose.
  public func localAddress() throws(PlatformError) -> SocketAddress {
    try unsafe SocketAddress { (pointer, length) throws(PlatformError) in
      _ = try systemCall("getsockname") { unsafe getsockname(raw, pointer, length) }
    }
  }

  // MARK: - Use

  /// The next waiting client as a non-blocking socket without send delay, and its address;
  /// nil when none waits.
  public func accept() throws(PlatformError) -> (socket: Socket, peer: SocketAddress)? {
    var accepted: Int32?
    let peer = try unsafe SocketAddress { (pointer, length) throws(PlatformError) in
      accepted = try systemCallUnlessBlocked("accept") {
        unsafe Glibc.accept(raw, pointer, length)
      }
    }
    guard let accepted else { return nil }
    let socket = Socket(FileDescriptor(owning: accepted))
    _ = try systemCall("fcntl") { fcntl(accepted, F_SETFL, O_NONBLOCK) }
    _ = try systemCall("fcntl") { fcntl(accepted, F_SETFD, FD_CLOEXEC) }
    try socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
    return (socket, peer)
  }

  /// Up to `count` bytes; empty at the peer's end of stream, nil when none are there yet (of a
  /// blocking socket: within its time limit).
  public func receive(upTo count: Int) throws(PlatformError) -> [UInt8]? {
    var failure: PlatformError?
    var isBlocked = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      do throws(PlatformError) {
        let received = try systemCallUnlessBlocked("recv") {
          unsafe recv(raw, buffer.baseAddress, buffer.count, 0)
        }
        filled = received ?? 0
        isBlocked = received == nil
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return isBlocked ? nil : bytes
  }

  /// Sends a beginning of `bytes` and returns its length; nil when the socket takes none now.
  /// A peer that is gone is an error, never a signal.
  public func send(_ bytes: ArraySlice<UInt8>) throws(PlatformError) -> Int? {
    try systemCallUnlessBlocked("send") {
      unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.send(raw, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
      }
    }
  }

  /// Tells the peer that no more bytes will come. A peer that is gone needs no telling.
  public func shutdownWrite() {
    _ = shutdown(raw, Int32(SHUT_WR))
  }
}
