// The standard error stream, for lines that must not be lost and for whoever watches.

import Glibc

/// The stream beside the program's output.
public enum StandardError {
  /// Whether a person watches.
  public static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Writes a text as it is, without a line end.
  public static func write(_ text: String) { write(Array(text.utf8)) }

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
