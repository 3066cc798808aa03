// Ownership of descriptors and the one way this target makes system calls.

import Glibc

/// Owns a descriptor and closes it at the end of its life.
public struct FileDescriptor: ~Copyable, Sendable {
  /// The number to pass to system calls; not to be closed by the caller.
  public let raw: Int32

  /// Takes over an open descriptor.
  public init(owning raw: Int32) {
    precondition(raw >= 0, "not a descriptor")
    self.raw = raw
  }

  // Linux frees the number even when close reports an interruption, so a retry could close
  // somebody else's descriptor.
  deinit { _ = close(raw) }
}

/// Runs a system call that reports failure by a negative result; interruptions are retried.
func systemCall<Result: BinaryInteger>(
  _ name: String, subject: String? = nil, _ call: () -> Result
) throws(PlatformError) -> Result {
  while true {
    let result = call()
    if result >= 0 { return result }
    let code = errno
    if code != EINTR { throw .systemCall(name: name, errno: code, subject: subject) }
  }
}

/// Like `systemCall`, but nil when a non-blocking descriptor is not ready.
func systemCallUnlessBlocked<Result: BinaryInteger>(
  _ name: String, subject: String? = nil, _ call: () -> Result
) throws(PlatformError) -> Result? {
  do {
    return try systemCall(name, subject: subject, call)
  } catch .systemCall(_, EAGAIN, _) {
    return nil
  } catch {
    throw error
  }
}
