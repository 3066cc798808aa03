// An open regular file, the common ground of reading and mapping. Opening never blocks: a pipe
// put where a file is expected is refused, not waited for.

import Glibc

/// A read-only descriptor of a regular file, closed with its owner.
struct RegularFile: ~Copyable, Sendable {
  let descriptor: Int32
  /// Size in bytes when opened; files of /proc say 0.
  let size: Int
  /// When its contents last changed, in nanoseconds of the file system's clock.
  let modified: Int

  init(path: String) throws(PlatformError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .last("open", path) }
    var status = stat()
    let result = unsafe fstat(descriptor, &status)
    let failure = PlatformError.last("fstat", path)
    guard result == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw result == 0 ? .notARegularFile(path) : failure
    }
    self.descriptor = descriptor
    size = status.st_size
    modified = status.st_mtim.tv_sec &* 1_000_000_000 &+ status.st_mtim.tv_nsec
  }

  deinit {
    close(descriptor)
  }
}
