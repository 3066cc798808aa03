// Which target may import which: the graph of the architecture, held against the sources and
// against Package.swift.

enum ImportGraph {
  /// Direct dependencies by target, from the lowest row to the highest.
  static let targets: [String: Set<String>] = [
    "CKernels": [], "COpenSSL": [], "CZlib": [], "CPCRE2": [], "CXXHash": [],
    "JSON": [],
    "Platform": [],
    "Compute": ["CKernels", "Platform"],
    "Text": ["JSON", "CPCRE2"],
    "Sampling": ["JSON"],
    "HTTP": ["Platform", "COpenSSL", "CZlib"],
    "Weights": ["Compute", "Platform", "JSON", "CXXHash"],
    "DeepSeek": ["Compute", "Weights", "JSON"],
    "Serving": ["DeepSeek", "Sampling", "Platform", "Compute"],
    "OpenAIAPI": ["Serving", "Sampling", "Text", "HTTP", "JSON"],
    "LoadTest": ["HTTP", "JSON", "Platform"],
    "hadal": [
      "JSON", "Platform", "Compute", "Text", "Sampling", "HTTP", "Weights", "DeepSeek", "Serving",
      "OpenAIAPI", "LoadTest",
    ],
  ]

  /// Modules of the system that any target may import.
  static let system: Set<String> = ["Dispatch", "Foundation", "Glibc", "Synchronization"]
  /// Modules of packages from elsewhere, and who may import them.
  static let packages: [String: Set<String>] = [
    "ArgumentParser": ["hadal"], "Logging": ["hadal", "HTTP", "Serving", "OpenAIAPI"],
    "Yams": ["hadal"], "Histogram": ["LoadTest"],
  ]

  /// Modules that only tests import.
  static let testModules: Set<String> = [
    "Testing", "TestSupport", "AllocationCounter", "AMXModel",
  ]

  /// Whether a file of `target` may import `module`. Tests may import any target of the product.
  static func allows(_ target: String, isTest: Bool, toImport module: String) -> Bool {
    if system.contains(module) { return true }
    if isTest { return targets[module] != nil || testModules.contains(module) }
    return targets[target]?.contains(module) == true || packages[module]?.contains(target) == true
  }

  static func violations(in file: SourceFile) -> [Violation] {
    guard file.isSwift else { return [] }
    var found: [Violation] = []
    if !file.isTest, targets[file.target] == nil {
      found.append(Violation(path: file.path, line: 1, rule: "belongs to no target of the graph"))
    }
    for (number, line) in file.code.lines.enumerated() {
      guard let module = imported(by: line),
        !allows(file.target, isTest: file.isTest, toImport: module)
      else { continue }
      found.append(
        Violation(path: file.path, line: number + 1, rule: "\(file.target) imports \(module)"))
    }
    return found
  }

  /// The module of an import declaration, with or without attributes and kinds.
  private static func imported(by line: Substring) -> String? {
    let words = line.words.map(\.text)
    guard let position = words.firstIndex(of: "import"),
      words[..<position].allSatisfy({ modifiers.contains($0) })
    else { return nil }
    return words[(position + 1)...].first { !kinds.contains($0) }
  }

  private static let modifiers: Set = [
    "testable", "_exported", "public", "package", "internal", "private", "fileprivate",
    "preconcurrency", "_implementationOnly",
  ]
  private static let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let"]

  /// Targets of a manifest that the graph does not have, or with more dependencies than it allows.
  static func violations(inManifest text: String) -> [Violation] {
    ManifestTarget.all(in: text).flatMap { target in
      target.dependencies.filter {
        !allows(target.name, isTest: target.isTest, toImport: $0)
      }.map {
        Violation(
          path: "Package.swift", line: target.line, rule: "\(target.name) depends on \($0)")
      }
        + (target.isTest || targets[target.name] != nil
          ? []
          : [
            Violation(
              path: "Package.swift", line: target.line, rule: "\(target.name) is not in the graph")
          ])
    }
  }
}
