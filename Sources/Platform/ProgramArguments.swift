// The arguments as the system passed them on, before they became text.

/// The command line of the running program.
public enum ProgramArguments {
  /// More than Linux passes on by default (man 2 execve).
  private static let limit = 16 << 20

  /// The arguments that are no text in UTF-8, with their bad bytes replaced: what they name would
  /// not be found under that name.
  public static var unreadable: [String] {
    // man 5 proc, `/proc/self/cmdline`: a zero byte behind each argument.
    guard let bytes = try? FileReader.read("/proc/self/cmdline", limit: limit) else { return [] }
    return bytes.split(separator: 0)
      .filter { String(validating: $0, as: UTF8.self) == nil }
      .map { String(decoding: $0, as: UTF8.self) }
  }
}
