// Text for whoever watches the program.

import Glibc

/// The stream beside the program's output.
public enum StandardError {
  /// Whether a person watches.
  public static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Writes at once, without a line end. Text that cannot be written is lost.
  public static func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let rest = bytes
      guard
        let count = try? systemCall(
          "write",
          {
            unsafe rest.withUnsafeBytes {
              unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count)
            }
          }
        ), count > 0
      else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
