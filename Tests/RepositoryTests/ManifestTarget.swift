// Reads as much of Package.swift as the import graph needs, by brackets and quotes.

/// A target as Package.swift declares it.
struct ManifestTarget: Equatable {
  let name: String
  /// Where its declaration begins, from 1.
  let line: Int
  let isTest: Bool
  /// Names, those of products included.
  let dependencies: [String]

  /// The targets a manifest declares, in its order.
  static func all(in manifest: String) -> [ManifestTarget] {
    let kinds = [".target(", ".executableTarget(", ".testTarget(", ".systemLibrary("]
    var targets: [ManifestTarget] = []
    var line = 1
    for index in manifest.indices {
      if manifest[index].isNewline { line += 1 }
      guard let kind = kinds.first(where: { manifest[index...].hasPrefix($0) }) else { continue }
      let body = bracketed(manifest[index...])
      guard let name = quoted(body).first else { continue }
      targets.append(
        ManifestTarget(
          name: name, line: line,
          isTest: kind == ".testTarget(" || ImportGraph.testModules.contains(name),
          dependencies: dependencies(body)))
    }
    return targets
  }

  private static func dependencies(_ body: Substring) -> [String] {
    let key = "dependencies:"
    guard let index = body.indices.first(where: { body[$0...].hasPrefix(key) }) else { return [] }
    return quoted(bracketed(body[index...]))
  }

  /// From the first opening bracket to the one that closes it.
  private static func bracketed(_ text: Substring) -> Substring {
    let start = text.drop { !"([".contains($0) }
    var depth = 0
    for index in start.indices {
      if "([".contains(start[index]) { depth += 1 }
      if ")]".contains(start[index]) { depth -= 1 }
      if depth == 0 { return start[...index] }
    }
    return start
  }

  /// The string literals, except names of packages.
  private static func quoted(_ text: Substring) -> [String] {
    let parts = text.split(separator: "\"", omittingEmptySubsequences: false)
    return parts.indices.filter { $0 % 2 == 1 && !parts[$0 - 1].hasSuffix("package: ") }
      .map { String(parts[$0]) }
  }
}
