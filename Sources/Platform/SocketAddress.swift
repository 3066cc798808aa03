// IPv4 and IPv6 socket addresses as values.

import Glibc

/// An IPv4 or IPv6 address with a port.
public struct SocketAddress: Sendable, CustomStringConvertible {
  private(set) var storage = sockaddr_storage()
  private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

  /// An address to be filled in by `body`, which gets room for any kind of address.
  init(
    filledBy body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>)
      throws(PlatformError) -> Void
  ) throws(PlatformError) {
    try unsafe withUnsafeMutablePointer(to: &storage) { (pointer) throws(PlatformError) in
      try unsafe body(
        UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), &length)
    }
  }

  /// The address of a host name or numeric address, by the system's resolver. A name with
  /// addresses of both families gives the IPv4 one, so that `localhost` is 127.0.0.1.
  public static func resolve(host: String, port: UInt16) throws(PlatformError) -> SocketAddress {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, String(port), &hints, &list) == 0, let first = unsafe list
    else { throw .invalidAddress(host) }
    defer { unsafe freeaddrinfo(list) }
    var chosen = unsafe first
    while unsafe chosen.pointee.ai_family != AF_INET, let next = unsafe chosen.pointee.ai_next {
      unsafe chosen = next
    }
    if unsafe chosen.pointee.ai_family != AF_INET { unsafe chosen = first }
    guard let source = unsafe chosen.pointee.ai_addr else { throw .invalidAddress(host) }
    let size = unsafe Int(chosen.pointee.ai_addrlen)
    return try unsafe SocketAddress { pointer, length in
      unsafe UnsafeMutableRawPointer(pointer).copyMemory(from: source, byteCount: size)
      unsafe length.pointee = socklen_t(size)
    }
  }

  var family: Int32 { Int32(storage.ss_family) }

  func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    unsafe withUnsafePointer(to: storage) {
      unsafe body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), length)
    }
  }

  /// Port in host byte order; 0 where the system is to choose one.
  public var port: UInt16 {
    unsafe withUnsafePointer(to: storage) { pointer in
      // The port lies at the same place in both families (RFC 3493, section 3.3).
      let address = unsafe UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr_in.self)
      return unsafe UInt16(bigEndian: address.pointee.sin_port)
    }
  }

  /// `127.0.0.1:8080` or `[::1]:8080`.
  public var description: String {
    let host = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NI_MAXHOST)) {
      buffer in
      let result = unsafe withPointer { pointer, length in
        unsafe getnameinfo(
          pointer, length, buffer.baseAddress, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
      }
      guard result == 0, let start = buffer.baseAddress else { return "?" }
      return unsafe String(cString: start)
    }
    return family == AF_INET6 ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
