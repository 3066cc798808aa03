// The two streams that a program writes to: its output, of which nothing may be lost in silence,
// and lines beside it for whoever watches.

import Glibc

/// The numbers that all programs use for these streams, and for their input.
public enum StandardStreams {
  /// Sees to it that what is closed stays so: without this the next file or socket would get the
  /// number, and with it what is written for the user. To be called before anything is opened.
  public static func keepNumbers() {
    for number in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(number, F_GETFD) < 0 {
      // The lowest free number is this one. Nothing can be written to what is open for reading.
      _ = unsafe open("/dev/null", O_RDONLY)
    }
  }
}

/// What was asked for. Not buffered: who reads along gets it at once.
public enum StandardOutput {
  /// Writes a text as it is, without a line end.
  /// - Throws: `PlatformError` when not all of it could be written, as on a full disk.
  public static func write(_ text: String) throws(PlatformError) {
    try writeAll(Array(text.utf8), to: STDOUT_FILENO, subject: "standard output")
  }

  /// Writes a text and a line end.
  public static func writeLine(_ text: String = "") throws(PlatformError) {
    try write(text + "\n")
  }
}

/// The stream beside the program's output.
public enum StandardError {
  /// Whether a person watches.
  public static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Writes a text as it is, without a line end.
  public static func write(_ text: String) { write(Array(text.utf8)) }

  /// Writes all bytes, waiting where the stream is slow; gives up where it is closed.
  public static func write(_ bytes: [UInt8]) {
    do { try writeAll(bytes, to: STDERR_FILENO, subject: "standard error") } catch { return }
  }
}

/// Writes all bytes, waiting where a descriptor that does not block is not ready.
private func writeAll(
  _ bytes: [UInt8], to descriptor: Int32, subject: String
) throws(PlatformError) {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = try systemCallUnlessBlocked("write", subject: subject) {
      unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
    if let count {
      rest = rest.dropFirst(count)
    } else {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      _ = try systemCall("poll", subject: subject) { unsafe poll(&waiting, 1, -1) }
    }
  }
}
