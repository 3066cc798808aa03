// A file that appears under its name whole or not at all: written under a temporary name beside it,
// brought to the disk, and then renamed.

import Glibc

/// A file being written from its start to its end by one thread. Unless it is committed, nothing of
/// it is left when its owner releases it.
public final class NewFile {
  /// The name it gets when it is committed.
  public let path: String
  private let temporary: String
  private let descriptor: FileDescriptor
  private var isCommitted = false

  /// Creates the temporary file and reserves its space where the file system can: a full disk is
  /// then reported before any work is done.
  /// - Parameter size: bytes that will be appended.
  public init(path: String, size: Int) throws(PlatformError) {
    precondition(size >= 0)
    self.path = path
    temporary = "\(path).\(getpid()).partial"
    let name = temporary
    descriptor = FileDescriptor(
      owning: try systemCall("open", subject: name) {
        unsafe open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      })
    try reserve(size)
  }

  deinit {
    if !isCommitted { _ = unsafe unlink(temporary) }
  }

  private func reserve(_ size: Int) throws(PlatformError) {
    guard size > 0 else { return }
    var status: Int32
    repeat { status = posix_fallocate(descriptor.raw, 0, size) } while status == EINTR
    // Some file systems have nothing to reserve; writing then finds out.
    guard [0, EOPNOTSUPP, EINVAL].contains(status) else {
      throw .systemCall(name: "posix_fallocate", errno: status, subject: temporary)
    }
  }

  /// Writes more bytes behind those already written.
  public func append(_ bytes: RawSpan) throws(PlatformError) {
    precondition(!isCommitted)
    var start = 0
    while start < bytes.byteCount {
      let rest = bytes.extracting(start..<bytes.byteCount)
      start += try systemCall("write", subject: temporary) {
        unsafe rest.withUnsafeBytes { unsafe write(descriptor.raw, $0.baseAddress, $0.count) }
      }
    }
  }

  /// Writes more bytes behind those already written.
  public func append(_ bytes: [UInt8]) throws(PlatformError) {
    try unsafe append(bytes.span.bytes)
  }

  /// Waits until the disk has everything, then gives the file its name, replacing what had it.
  public func commit() throws(PlatformError) {
    precondition(!isCommitted)
    _ = try systemCall("fsync", subject: temporary) { fsync(descriptor.raw) }
    _ = try systemCall("rename", subject: path) { unsafe rename(temporary, path) }
    isCommitted = true
    try Self.syncFolder(of: path)
  }

  /// A name is on the disk when its folder is.
  private static func syncFolder(of path: String) throws(PlatformError) {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = FileDescriptor(
      owning: try systemCall("open", subject: folder) {
        unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      })
    do {
      _ = try systemCall("fsync", subject: folder) { fsync(descriptor.raw) }
    } catch .systemCall(_, EINVAL, _) {
      // A file system that keeps no names to bring to the disk.
      return
    }
  }
}
