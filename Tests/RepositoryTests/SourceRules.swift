// The rules of CONTRIBUTING.md as pure functions over one source file.

/// A Swift or C source: where it lies in the repository, and what it says.
struct SourceFile {
  /// Relative to the repository, such as `Sources/JSON/JSONValue.swift`.
  let path: String
  let text: String
  let code: CodeText

  init(path: String, text: String) {
    self.path = path
    self.text = text
    code = CodeText(text)
  }

  var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
  /// The folder below Sources or Tests: the name of the target.
  var target: String {
    let parts = path.split(separator: "/")
    return parts.count > 2 ? String(parts[1]) : ""
  }
  var isTest: Bool { path.hasPrefix("Tests/") }
  var isSwift: Bool { path.hasSuffix(".swift") }
}

/// A breach of a rule, in the form editors jump to.
struct Violation: Equatable, CustomStringConvertible {
  let path: String
  let line: Int
  let rule: String

  var description: String { "\(path):\(line): \(rule)" }
}

enum SourceRules {
  static let lineLength = 100
  static let functionLines = 70
  static let fileLines = 500

  /// Tables and generated data: allowed to be long.
  static let longFiles: Set<String> = []
  /// Where unsafe constructs may be marked: these targets, and the shells around C libraries.
  static let unsafeTargets: Set<String> = ["Platform", "Compute", "Weights", "DeepSeek"]
  static let unsafeFiles: Set<String> = [
    "Sources/Text/Regex.swift", "Sources/HTTP/TLS/TLSContext.swift",
    "Sources/HTTP/TLS/PEMFile.swift", "Sources/HTTP/TLS/SHA256.swift",
    "Sources/HTTP/TLS/TLSSession.swift", "Sources/HTTP/TLS/TLSAuthorities.swift",
    "Sources/HTTP/Compression/Gzip.swift",
  ]
  /// The executable, which alone speaks on standard output.
  static let printingTarget = "hadal"

  static func violations(in file: SourceFile) -> [Violation] {
    [
      lengths(file), heading(file), markers(file), uncheckedSendable(file), words(file),
      functions(file),
    ].flatMap { $0 }
  }

  private static func lengths(_ file: SourceFile) -> [Violation] {
    var found = file.lines.enumerated().filter { $1.count > lineLength }.map { number, line in
      Violation(path: file.path, line: number + 1, rule: "line of \(line.count) characters")
    }
    let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
    if count > fileLines, !longFiles.contains(file.path) {
      found.append(Violation(path: file.path, line: count, rule: "file of \(count) lines"))
    }
    return found
  }

  private static func heading(_ file: SourceFile) -> [Violation] {
    if file.text.hasPrefix("// ") || file.text.hasPrefix("/* ") { return [] }
    return [Violation(path: file.path, line: 1, rule: "no comment opens the file")]
  }

  private static func markers(_ file: SourceFile) -> [Violation] {
    // Written in two halves, so that this file does not accuse itself.
    let markers: Set<String> = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
    return file.lines.enumerated().flatMap { number, line in
      line.words.filter { markers.contains($0.text) }.map {
        Violation(path: file.path, line: number + 1, rule: "left-over marker \($0.text)")
      }
    }
  }

  /// Each has a comment with the word "Unchecked" within four lines that says who guards it.
  private static func uncheckedSendable(_ file: SourceFile) -> [Violation] {
    guard file.isSwift else { return [] }
    let code = file.code.lines
    let lines = file.lines
    return code.indices.filter { code[$0].contains("@unchecked Sendable") }.compactMap { number in
      let near = lines[max(number - 4, 0)...min(number + 4, lines.count - 1)]
      let isExplained = near.contains {
        $0.drop { $0 == " " }.hasPrefix("//") && $0.contains("Unchecked")
      }
      if isExplained { return nil }
      return Violation(
        path: file.path, line: number + 1, rule: "unchecked Sendable without saying who guards it")
    }
  }

  /// Words that are bound to places.
  private static func words(_ file: SourceFile) -> [Violation] {
    guard file.isSwift else { return [] }
    let mayMark =
      file.isTest || unsafeTargets.contains(file.target) || unsafeFiles.contains(file.path)
    let mayPrint = file.isTest || file.target == printingTarget
    var found: [Violation] = []
    for (number, line) in file.code.lines.enumerated() {
      func report(_ rule: String) {
        found.append(Violation(path: file.path, line: number + 1, rule: rule))
      }
      for word in line.words {
        if word.text == "unsafe", !mayMark { report("unsafe outside its targets") }
        if word.text == "try", word.after == UInt8(ascii: "!") { report("forced try") }
        if word.text == "print" || word.text == "debugPrint", word.after == UInt8(ascii: "("),
          word.before != UInt8(ascii: "."), !mayPrint
        {
          report("print outside the executable")
        }
      }
    }
    return found
  }

  private static func functions(_ file: SourceFile) -> [Violation] {
    FunctionScanner(code: file.code, isSwift: file.isSwift).functions
      .filter { $0.lineCount > functionLines }
      .map {
        Violation(
          path: file.path, line: $0.line, rule: "function \($0.name) of \($0.lineCount) lines")
      }
  }
}
