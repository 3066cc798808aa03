// IPv4, IPv6 and Unix socket addresses as values.

import Glibc

/// An IPv4 or IPv6 address with a port, or the path of a Unix socket.
public struct SocketAddress: Sendable, CustomStringConvertible {
  private(set) var storage = sockaddr_storage()
  private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

  /// What makes a host name a path: `unix:/run/hadal.sock`.
  public static let unixPrefix = "unix:"

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

  /// The address of a host name or numeric address, by the system's resolver, or of a Unix socket
  /// for `unix:PATH`. A name with addresses of both families gives the IPv4 one, so that
  /// `localhost` is 127.0.0.1.
  public static func resolve(host: String, port: UInt16) throws(PlatformError) -> SocketAddress {
    if host.hasPrefix(unixPrefix) { return try unix(String(host.dropFirst(unixPrefix.count))) }
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

  /// A path fits with its terminating zero into `sun_path` (unix(7)).
  private static func unix(_ path: String) throws(PlatformError) -> SocketAddress {
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path),
      !bytes.contains(0)
    else { throw .invalidAddress(unixPrefix + path) }
    var address = try unsafe SocketAddress { pointer, length in
      unsafe length.pointee = socklen_t(pathOffset + bytes.count + 1)
    }
    address.storage.ss_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.storage) { storage in
      for (index, byte) in bytes.enumerated() { unsafe storage[pathOffset + index] = byte }
    }
    return address
  }

  /// Where the path begins in `sockaddr_un`.
  private static let pathOffset = MemoryLayout<sa_family_t>.size

  var family: Int32 { Int32(storage.ss_family) }

  func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    unsafe withUnsafePointer(to: storage) {
      unsafe body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), length)
    }
  }

  private func bytes(_ range: Range<Int>) -> [UInt8] {
    unsafe withUnsafeBytes(of: storage) { unsafe Array($0[range]) }
  }

  /// The path of a Unix socket; nil for other families, empty for a client without a name.
  var path: String? {
    guard family == AF_UNIX else { return nil }
    let room = bytes(Self.pathOffset..<max(Int(length), Self.pathOffset))
    return String(decoding: room.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// Port in host byte order; 0 where the system is to choose one, and for Unix sockets.
  public var port: UInt16 {
    if family == AF_UNIX { return 0 }
    // The port lies at the same place in both families (RFC 3493, section 3.3).
    return bytes(2..<4).reduce(0) { $0 << 8 | UInt16($1) }
  }

  /// The address of IPv4, also where a dual-stack socket shows it as `::ffff:a.b.c.d` (RFC 4291,
  /// section 2.5.5.2).
  private var ipv4: [UInt8]? {
    if family == AF_INET { return bytes(4..<8) }
    let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
    return family == AF_INET6 && bytes(8..<20) == mapped ? bytes(20..<24) : nil
  }

  /// What tells clients apart: an IPv4 address, or the 64 leading bits of an IPv6 address, of
  /// which one client has the rest to choose from (RFC 6177). Nil for Unix sockets.
  public var network: UInt64? {
    if let ipv4 { return ipv4.reduce(0xFFFF) { $0 << 8 | UInt64($1) } }
    return family == AF_INET6 ? bytes(8..<16).reduce(0) { $0 << 8 | UInt64($1) } : nil
  }

  /// `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/hadal.sock`, or `unix` for a client without a name.
  public var description: String {
    if let path { return path.isEmpty ? "unix" : Self.unixPrefix + path }
    if let ipv4 { return ipv4.map { "\($0)" }.joined(separator: ".") + ":\(port)" }
    let host = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NI_MAXHOST)) {
      buffer in
      let result = unsafe withPointer { pointer, length in
        unsafe getnameinfo(
          pointer, length, buffer.baseAddress, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
      }
      guard result == 0, let start = buffer.baseAddress else { return "?" }
      return unsafe String(cString: start)
    }
    return "[\(host)]:\(port)"
  }
}
