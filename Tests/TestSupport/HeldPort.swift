// A port at which nobody listens, for tests of what happens then.

import Glibc
import Platform

/// A port of 127.0.0.1 that is bound, so that the system gives it to nobody who asks for any, and
/// where connections are refused. A server that names it may listen there, for servers set
/// SO_REUSEADDR, too (socket(7)).
public final class HeldPort: Sendable {
  public let port: UInt16
  private let descriptor: FileDescriptor

  public init() throws {
    let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    descriptor = FileDescriptor(owning: raw)
    var (isReused, address) = (Int32(1), sockaddr_in())
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let options = unsafe setsockopt(
      raw, SOL_SOCKET, SO_REUSEADDR, &isReused, socklen_t(MemoryLayout<Int32>.size))
    let status = unsafe withUnsafeMutablePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe options + bind(raw, $0, length) + getsockname(raw, $0, &length)
      }
    }
    precondition(status == 0, "no port is left")
    port = UInt16(bigEndian: address.sin_port)
  }
}
