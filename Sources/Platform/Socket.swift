// Stream sockets: the system calls of a server and a simple client. Protocols live above.

import Glibc

/// How a listener is opened.
public struct ListenOptions: Sendable {
  /// Clients that may wait to be accepted.
  public var backlog: Int32 = 1024
  /// Whether other processes with the same wish may listen at the same port; the system spreads
  /// clients over them (socket(7), SO_REUSEPORT).
  public var reusesPort = false
  /// Permissions of a Unix socket's file.
  public var fileMode: mode_t = 0o660

  public init() {}
}

/// A TCP or Unix socket; the descriptor closes with the last reference, so whoever watches the
/// descriptor keeps the socket.
public final class Socket: Sendable {
  private let descriptor: FileDescriptor
  private let file: UnixSocketFile?

  init(_ descriptor: consuming FileDescriptor, file: UnixSocketFile? = nil) {
    self.descriptor = descriptor
    self.file = file
  }

  /// The descriptor's number, for readiness notification.
  public var raw: Int32 { descriptor.raw }

  // MARK: - Opening

  /// A non-blocking listener at `address`. Its Unix socket file goes with it.
  public static func listen(
    at address: SocketAddress, options: ListenOptions = ListenOptions()
  ) throws(PlatformError) -> Socket {
    let subject = address.description
    let descriptor = try open(family: address.family, flags: SOCK_NONBLOCK, subject: subject)
    let raw = descriptor.raw
    if let path = address.path {
      try UnixSocketFile.removeStale(path: path) { () throws(PlatformError) in
        try isListening(at: address)
      }
    } else {
      // A restarted server may take its port although old connections linger in TIME_WAIT.
      try set(raw, SOL_SOCKET, SO_REUSEADDR, Int32(1))
      if options.reusesPort { try set(raw, SOL_SOCKET, SO_REUSEPORT, Int32(1)) }
    }
    // `::` is every address of both families, whatever the system's default is.
    if address.family == AF_INET6 { try set(raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, Int32(0)) }
    _ = try systemCall("bind", subject: subject) {
      unsafe address.withPointer { unsafe bind(raw, $0, $1) }
    }
    var file: UnixSocketFile?
    if let path = address.path {
      file = try UnixSocketFile(path: path, mode: options.fileMode)
    }
    _ = try systemCall("listen", subject: subject) { Glibc.listen(raw, options.backlog) }
    return Socket(descriptor, file: file)
  }

  /// Whether somebody takes connections at a Unix socket.
  private static func isListening(at address: SocketAddress) throws(PlatformError) -> Bool {
    let probe = try open(
      family: address.family, flags: SOCK_NONBLOCK, subject: address.description)
    let raw = probe.raw
    do throws(PlatformError) {
      _ = try systemCall("connect", subject: address.description) {
        unsafe address.withPointer { unsafe Glibc.connect(raw, $0, $1) }
      }
      return true
    } catch .systemCall(_, ECONNREFUSED, _) {
      return false
    } catch .systemCall(_, EAGAIN, _) {
      return true  // Its backlog is full.
    }
  }

  /// A blocking connection to `address` whose calls give up after `timeout` seconds.
  /// - Parameter source: the address to come from; nil leaves it to the system.
  public static func connect(
    to address: SocketAddress, timeout: Int, from source: SocketAddress? = nil
  ) throws(PlatformError) -> Socket {
    let subject = address.description
    let descriptor = try open(family: address.family, flags: nil, subject: subject)
    let raw = descriptor.raw
    let limit = timeval(tv_sec: timeout, tv_usec: 0)
    try set(raw, SOL_SOCKET, SO_RCVTIMEO, limit)
    try set(raw, SOL_SOCKET, SO_SNDTIMEO, limit)
    if address.family != AF_UNIX { try set(raw, Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1)) }
    if let source {
      _ = try systemCall("bind", subject: source.description) {
        unsafe source.withPointer { unsafe bind(raw, $0, $1) }
      }
    }
    _ = try systemCall("connect", subject: subject) {
      unsafe address.withPointer { unsafe Glibc.connect(raw, $0, $1) }
    }
    return Socket(descriptor)
  }

  static func open(
    family: Int32, flags: __socket_type?, subject: String
  ) throws(PlatformError) -> FileDescriptor {
    let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | (flags?.rawValue ?? 0)
    let raw = try systemCall("socket", subject: subject) { socket(family, Int32(kind), 0) }
    return FileDescriptor(owning: raw)
  }

  static func set<Value>(
    _ raw: Int32, _ level: Int32, _ option: Int32, _ value: Value
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

  /// Removes the file of a listening Unix socket, so that no more clients come.
  public func removeFile() { file?.remove() }

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
    let descriptor = FileDescriptor(owning: accepted)
    _ = try systemCall("fcntl") { fcntl(accepted, F_SETFL, O_NONBLOCK) }
    _ = try systemCall("fcntl") { fcntl(accepted, F_SETFD, FD_CLOEXEC) }
    if peer.family != AF_UNIX { try Self.setUpTCP(accepted) }
    return (Socket(descriptor), peer)
  }

  /// Unsent bytes that the system takes of a client that reads slowly. What is on its way does not
  /// count, so this costs a fast one nothing.
  private static let unsentBytes: Int32 = 128 << 10
  /// Seconds of silence after which the system asks a client whether it is there, the seconds
  /// between questions, and their number.
  private static let keepAlive: (idle: Int32, interval: Int32, count: Int32) = (30, 10, 3)

  private static func setUpTCP(_ raw: Int32) throws(PlatformError) {
    let protocolLevel = Int32(IPPROTO_TCP)
    try set(raw, protocolLevel, TCP_NODELAY, Int32(1))
    try set(raw, protocolLevel, TCP_NOTSENT_LOWAT, unsentBytes)
    try set(raw, SOL_SOCKET, SO_KEEPALIVE, Int32(1))
    try set(raw, protocolLevel, TCP_KEEPIDLE, keepAlive.idle)
    try set(raw, protocolLevel, TCP_KEEPINTVL, keepAlive.interval)
    try set(raw, protocolLevel, TCP_KEEPCNT, keepAlive.count)
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
    if isBlocked { return nil }
    // Few bytes may wait for long to become a request: not in room for many.
    return bytes.count < count / 4 ? unsafe bytes.withUnsafeBytes { unsafe Array($0) } : bytes
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
