// The one error of this target: a call to the operating system that failed.

import Glibc

/// Operating trouble, with the call and what it was about.
public enum PlatformError: Error, Equatable, Sendable, CustomStringConvertible {
  case systemCall(name: String, errno: Int32, subject: String?)

  public var description: String {
    switch self {
    case .systemCall(let name, let errno, let subject):
      let reason = unsafe String(cString: strerror(errno))
      return "\(name)\(subject.map { " \($0)" } ?? ""): \(reason)"
    }
  }
}
