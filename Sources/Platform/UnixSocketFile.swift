// The file by which clients find a listening Unix socket: made, taken over from a server that died,
// removed at the end.

import Glibc
import Synchronization

/// Removes the file with its last reference, unless another server has put its own in its place.
final class UnixSocketFile: Sendable {
  private let path: String
  private let identity: Identity
  private let isRemoved = Atomic<Bool>(false)

  /// What tells the file from another one at the same path.
  private struct Identity: Equatable {
    let device: dev_t
    let inode: ino_t

    /// Nil where there is no socket.
    init?(path: String) {
      var status = stat()
      guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
        return nil
      }
      (device, inode) = (status.st_dev, status.st_ino)
    }
  }

  /// The file that `bind` has just made. Gives it the permissions `mode`, of which writing is
  /// what lets clients in (unix(7)).
  init(path: String, mode: mode_t) throws(PlatformError) {
    guard let identity = Identity(path: path) else {
      throw .systemCall(name: "bind", errno: ENOENT, subject: path)
    }
    self.path = path
    self.identity = identity
    _ = try systemCall("chmod", subject: path) { unsafe chmod(path, mode) }
  }

  deinit { remove() }

  /// Removes the file, once: a later one might have its number.
  func remove() {
    guard !isRemoved.exchange(true, ordering: .relaxed), Identity(path: path) == identity else {
      return
    }
    _ = unsafe unlink(path)
  }

  /// Removes the file of a server that is no more: nobody listens behind it. Anything else at
  /// `path` stays, and makes `bind` fail.
  static func removeStale(path: String, isListening: () throws(PlatformError) -> Bool)
    throws(PlatformError)
  {
    guard Identity(path: path) != nil, try !isListening() else { return }
    _ = try systemCall("unlink", subject: path) { unsafe unlink(path) }
  }
}
