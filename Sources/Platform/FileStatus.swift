// What the file system says of a file, for those who watch it for changes.

import Glibc

/// Which file a path leads to at present. Equal as long as its contents are the same ones.
public struct FileStatus: Sendable, Equatable {
  private let device: UInt
  private let inode: UInt
  private let size: Int
  /// Nanoseconds.
  private let modified: Int
  /// Whether every user of the machine may read it.
  public let isWorldReadable: Bool

  /// Whether the path leads to a directory.
  public static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Throws when there is no such file.
  public init(path: String) throws(PlatformError) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { throw .last("stat", path) }
    device = UInt(status.st_dev)
    inode = UInt(status.st_ino)
    size = status.st_size
    modified = status.st_mtim.tv_sec &* 1_000_000_000 &+ status.st_mtim.tv_nsec
    isWorldReadable = status.st_mode & S_IROTH != 0
  }
}
