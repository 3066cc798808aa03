// What a service says to the manager that started it: sd_notify(3), one datagram, no library.

import Glibc

/// The service manager that started the process, if it wants to hear from it.
public struct ServiceManager: Sendable {
  private var address = sockaddr_un()
  private var length: socklen_t = 0

  /// States of sd_notify(3).
  public enum State: String {
    /// Starting is over; what waits for this service may start.
    case ready = "READY=1"
    case stopping = "STOPPING=1"
  }

  /// The manager behind the variable NOTIFY_SOCKET.
  public init() {
    self.init(socket: unsafe getenv("NOTIFY_SOCKET").map { unsafe String(cString: $0) } ?? "")
  }

  /// - Parameter socket: a path, or `@` and a name in the abstract namespace; with anything else
  ///   nobody listens.
  init(socket: String) {
    let bytes = Array(socket.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard ["/", "@"].contains(socket.prefix(1)), bytes.count < room else { return }
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { path in
      for (index, byte) in bytes.enumerated() { unsafe path[index] = byte }
      if unsafe path[0] == UInt8(ascii: "@") { unsafe path[0] = 0 }
    }
    length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
  }

  /// Sends the state. A manager that does not listen is not the service's trouble.
  public func tell(_ state: State) {
    guard length > 0 else { return }
    let raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { return }
    let descriptor = FileDescriptor(owning: raw)
    let message = Array(state.rawValue.utf8)
    unsafe withUnsafePointer(to: address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = unsafe sendto(
          descriptor.raw, message, message.count, Int32(MSG_NOSIGNAL), address, length)
      }
    }
  }
}
