// How the parts of a GGUF model are named: the convention of the tools that split such files, which
// put nothing else into a part about the names of the others.

/// `PREFIX-NNNNN-of-MMMMM.gguf`.
struct GGUFPartName {
  private let prefix: Substring
  let number: Int
  let count: Int

  /// nil when the path is not of this form.
  init?(_ path: String) {
    guard let match = path.wholeMatch(of: /(?s)(.*)-(\d{5})-of-(\d{5})\.gguf/),
      let number = Int(match.2), let count = Int(match.3), 1...max(count, 1) ~= number
    else { return nil }
    prefix = match.1
    self.number = number
    self.count = count
  }

  /// The path of another part.
  func path(_ number: Int) -> String {
    "\(prefix)-\(Self.padded(number))-of-\(Self.padded(count)).gguf"
  }

  /// Five digits.
  static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }

  /// The file's name without its ending, and without the number of a part.
  static func stem(of path: String) -> String {
    let whole = GGUFPartName(path).map { String($0.prefix) } ?? path
    let name = whole.split(separator: "/").last.map(String.init) ?? whole
    return name.hasSuffix(".gguf") ? String(name.dropLast(5)) : name
  }
}
