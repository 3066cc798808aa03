// Operating trouble of this target: what the system refused, in words an operator can act on.

import Glibc

/// Why the operating system did not give what was asked of it.
public enum PlatformError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A system call failed; `subject` is the file or address it was about.
  case systemCall(name: String, errno: Int32, subject: String?)
  /// A host name or address that cannot be turned into a socket address.
  case invalidAddress(String)
  /// A directory, pipe, socket or device where a regular file is needed.
  case notARegularFile(String)
  /// A file with more bytes than its reader is prepared to hold.
  case fileTooLarge(path: String, limit: Int)
  /// A file of the kernel that does not read as documented.
  case malformedFile(String)
  /// The process may not open as many descriptors as its configuration can need.
  case openFileLimit(limit: Int, needed: Int)

  public var description: String {
    switch self {
    case .systemCall(let name, let errno, let subject):
      let reason = unsafe String(cString: strerror(errno))
      return subject.map { "\($0): \(name): \(reason)" } ?? "\(name): \(reason)"
    case .invalidAddress(let text):
      return "not an address: \(text)"
    case .notARegularFile(let path):
      return "\(path): not a regular file"
    case .fileTooLarge(let path, let limit):
      return "\(path): larger than \(limit) bytes"
    case .malformedFile(let path):
      return "\(path): not in the expected form"
    case .openFileLimit(let limit, let needed):
      return "the open file limit (ulimit -n) is \(limit), but \(needed) may be needed"
    }
  }

  /// The error of the system call that has just failed on this thread.
  static func last(_ name: String, _ subject: String? = nil) -> PlatformError {
    .systemCall(name: name, errno: errno, subject: subject)
  }
}
