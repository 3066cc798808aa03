// The repository keeps its own rules.

import Foundation
import Testing

@Suite("Repository")
struct RepositoryTests {
  /// The repository's folder, found from this file's place in it.
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Files below folders of the repository, recorded data and build products left out.
  private func files(below folders: [String], named isWanted: (String) -> Bool) throws
    -> [SourceFile]
  {
    let skipped: Set = ["Fixtures", "__pycache__", "venv"]
    return try folders.flatMap { folder in
      let url = Self.root.appending(path: folder)
      guard FileManager.default.fileExists(atPath: url.path()) else { return [SourceFile]() }
      return try FileManager.default.subpathsOfDirectory(atPath: url.path()).sorted()
        .map { "\(folder)/\($0)" }
        .filter {
          isWanted($0) && skipped.isDisjoint(with: $0.split(separator: "/").map(String.init))
        }
        .map { try SourceFile(path: $0, text: read($0)) }
    }
  }

  private func read(_ path: String) throws -> String {
    try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
  }

  private func sources() throws -> [SourceFile] {
    try files(below: ["Sources", "Tests"]) { path in
      [".swift", ".c", ".h"].contains { path.hasSuffix($0) }
    }
  }

  @Test("sources keep the rules")
  func sourceRules() throws {
    let files = try sources()
    #expect(files.count > 50)
    for violation in files.flatMap(SourceRules.violations) { Issue.record("\(violation)") }
  }

  @Test("imports and the manifest follow the graph")
  func imports() throws {
    for violation in try sources().flatMap(ImportGraph.violations(in:)) {
      Issue.record("\(violation)")
    }
    let manifest = try read("Package.swift")
    #expect(ManifestTarget.all(in: manifest).count > 10)
    for violation in ImportGraph.violations(inManifest: manifest) { Issue.record("\(violation)") }
  }

  @Test("no text names a machine's own paths")
  func paths() throws {
    let texts =
      try files(below: ["Sources", "Tests", "Models", "Config", "deploy", ".ci"]) { path in
        let kinds = [".swift", ".c", ".h", ".py", ".sh", ".md", ".yaml", ".ci/run", ".modulemap"]
        return kinds.contains { path.hasSuffix($0) }
      }
      + ["Package.swift", "Makefile", "README.md", "CONTRIBUTING.md", "Dockerfile"]
      .filter { FileManager.default.fileExists(atPath: Self.root.appending(path: $0).path()) }
      .map { try SourceFile(path: $0, text: read($0)) }
    for violation in texts.flatMap(PathRule.violations) { Issue.record("\(violation)") }
  }
}

/// A repository works wherever it is cloned.
enum PathRule {
  static func violations(in file: SourceFile) -> [Violation] {
    // Written in two halves, so that this file does not accuse itself.
    let roots = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/tm" + "p/"]
    return file.lines.enumerated().flatMap { number, line in
      roots.filter { line.contains($0) }.map {
        Violation(path: file.path, line: number + 1, rule: "a path below \($0)")
      }
    }
  }
}
