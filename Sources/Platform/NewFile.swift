// A file that appears under its name whole or not at all: written without a name, brought to the
// disk, and only then named. A process that is killed on the way leaves nothing, however it is
// killed; where the file system holds no files without a name, one with the ending `.partial`.

import Glibc

/// A file being written from its start to its end by one thread. Unless it is committed, nothing of
/// it is left when its owner releases it.
public final class NewFile {
  /// The name it gets when it is committed.
  public let path: String
  private let folder: String
  private let descriptor: FileDescriptor
  /// A name of its own beside the last one. From there it can take the place of another file, which
  /// a file without a name cannot.
  private let temporary: String
  private var hasTemporaryName: Bool
  private var isCommitted = false

  /// Opens the file and reserves its space where the file system can: a full disk, a missing folder
  /// and a name that cannot be had are then reported before any work is done.
  /// - Parameters:
  ///   - path: of nothing, or of a regular file, which `commit` replaces.
  ///   - size: bytes that will be appended.
  public init(path: String, size: Int) throws(PlatformError) {
    precondition(size >= 0)
    try Self.checkPlace(path)
    self.path = path
    folder = Self.folder(of: path)
    let number = String(UInt64.random(in: 0 ... .max), radix: 36)
    temporary = "\(folder)/hadal-\(number).partial"
    if let unnamed = try Self.openUnnamed(in: folder) {
      descriptor = FileDescriptor(owning: unnamed)
      hasTemporaryName = false
    } else {
      let name = temporary
      descriptor = FileDescriptor(
        owning: try systemCall("open", subject: name) {
          unsafe open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        })
      hasTemporaryName = true
    }
    try reserve(size)
  }

  deinit {
    if hasTemporaryName && !isCommitted { _ = unsafe unlink(temporary) }
  }

  /// Renaming would put a file in the place of a device, and fail in that of a folder.
  private static func checkPlace(_ path: String) throws(PlatformError) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      // Nothing is there, unless the path says that it is a folder.
      guard errno == ENOENT, !path.isEmpty, !path.hasSuffix("/") else { throw .last("stat", path) }
      return
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(path) }
  }

  /// A descriptor of a file without a name (man 2 open, O_TMPFILE); nil where there is no such
  /// thing, or no way to name it later.
  private static func openUnnamed(in folder: String) throws(PlatformError) -> Int32? {
    guard FileReader.exists("/proc/self/fd") else { return nil }
    // Linux's O_TMPFILE, which is not imported because of how it is written there.
    let flags = 0o20_000_000 | O_DIRECTORY | O_WRONLY | O_CLOEXEC
    do {
      return try systemCall("open", subject: folder) { unsafe open(folder, flags, 0o666) }
    } catch .systemCall(_, let code, _) where [EOPNOTSUPP, EISDIR, EINVAL].contains(code) {
      return nil
    }
  }

  private func reserve(_ size: Int) throws(PlatformError) {
    guard size > 0 else { return }
    var status: Int32
    repeat { status = posix_fallocate(descriptor.raw, 0, size) } while status == EINTR
    // Some file systems have nothing to reserve; writing then finds out.
    guard [0, EOPNOTSUPP, EINVAL].contains(status) else {
      throw .systemCall(name: "posix_fallocate", errno: status, subject: path)
    }
  }

  /// Writes more bytes behind those already written.
  public func append(_ bytes: RawSpan) throws(PlatformError) {
    precondition(!isCommitted)
    var start = 0
    while start < bytes.byteCount {
      let rest = bytes.extracting(start..<bytes.byteCount)
      start += try systemCall("write", subject: path) {
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
    _ = try systemCall("fsync", subject: path) { fsync(descriptor.raw) }
    if !hasTemporaryName {
      _ = try systemCall("linkat", subject: path) {
        unsafe linkat(
          AT_FDCWD, "/proc/self/fd/\(descriptor.raw)", AT_FDCWD, temporary, AT_SYMLINK_FOLLOW)
      }
      hasTemporaryName = true
    }
    _ = try systemCall("rename", subject: path) { unsafe rename(temporary, path) }
    isCommitted = true
    try Self.sync(folder: folder)
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// A name is on the disk when its folder is.
  private static func sync(folder: String) throws(PlatformError) {
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
