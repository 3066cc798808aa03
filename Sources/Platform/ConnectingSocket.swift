// Connecting without waiting: begun by one call, finished by another when the socket is writable.

import Glibc

extension Socket {
  /// A non-blocking socket without send delay that has begun to connect. It becomes writable when
  /// the connection is there or has failed.
  public static func startConnecting(
    to address: SocketAddress
  ) throws(PlatformError) -> Socket {
    let subject = address.description
    let descriptor = try open(family: address.family, flags: SOCK_NONBLOCK, subject: subject)
    let raw = descriptor.raw
    try set(raw, Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
    do {
      _ = try systemCall("connect", subject: subject) {
        unsafe address.withPointer { unsafe Glibc.connect(raw, $0, $1) }
      }
    } catch .systemCall(_, EINPROGRESS, _) {
      // The usual outcome.
    }
    return Socket(descriptor)
  }

  /// Throws why the connection that was begun has failed, if it has.
  public func finishConnecting() throws(PlatformError) {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    _ = try systemCall("getsockopt") {
      unsafe getsockopt(raw, SOL_SOCKET, SO_ERROR, &code, &length)
    }
    guard code == 0 else { throw .systemCall(name: "connect", errno: code, subject: nil) }
  }
}
