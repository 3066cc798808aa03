// Text that must appear at once, without a line end.

import Glibc

enum StandardOutput {
  /// Writes through the C library's buffer and empties it.
  static func write(_ text: String) {
    print(text, terminator: "")
    fflush(nil)
  }
}
