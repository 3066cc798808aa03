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

extension FileDescriptor {
  /// Makes sure that the process may have `count` descriptors open, raising its soft limit where
  /// the hard limit allows.
  public static func allow(_ count: Int) throws(PlatformError) {
    let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
    var limit = rlimit()
    _ = try systemCall("getrlimit") { unsafe getrlimit(resource, &limit) }
    let needed = rlim_t(count)
    if limit.rlim_cur >= needed { return }
    guard limit.rlim_max >= needed else {
      throw .openFileLimit(limit: Int(clamping: limit.rlim_max), needed: count)
    }
    limit.rlim_cur = needed
    _ = try systemCall("setrlimit") { unsafe setrlimit(resource, &limit) }
  }
}

extension FileDescriptor {
  /// Whether fewer than `count` descriptors above `raw`, which was just opened, are left to the
  /// process. The system gives out the lowest free number.
  public static func areFewLeft(above raw: Int32, fewerThan count: Int) -> Bool {
    let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
    var limit = rlimit()
    guard unsafe getrlimit(resource, &limit) == 0 else { return false }
    return rlim_t(raw) + rlim_t(count) >= limit.rlim_cur
  }
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
