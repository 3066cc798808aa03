// The standard error stream, for lines that must not be lost.

import Glibc

public enum StandardError {
  /// Writes all bytes, waiting where the stream is slow; gives up where it is closed.
  public static func write(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      do throws(PlatformError) {
        let count = try systemCallUnlessBlocked("write") {
          unsafe rest.withUnsafeBytes {
            unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count)
          }
        }
        if let count {
          rest = rest.dropFirst(count)
        } else {
          var waiting = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
          _ = try systemCall("poll") { unsafe poll(&waiting, 1, -1) }
        }
      } catch {
        return
      }
    }
  }
}
