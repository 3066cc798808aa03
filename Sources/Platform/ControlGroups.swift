// Where this process sits in the control-group hierarchies: the directories whose limits bind it.
// Pure functions over the text of /proc (man 7 cgroups, man 5 proc), plus reading one number file.

/// The directories of one controller, from the process's own group up to the hierarchy's root:
/// a limit in any of them binds. A machine may run both versions side by side.
package struct ControlGroups: Equatable, Sendable {
  package let version1: [String]
  package let version2: [String]

  /// Parses `/proc/self/cgroup` and `/proc/self/mountinfo`; lines that make no sense are skipped.
  package init(controller: String, membership: String, mounts: String) {
    var version1: [String] = []
    var version2: [String] = []
    for line in membership.split(separator: "\n") {
      // hierarchy-ID:controller-list:path, version 2 with an empty list
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let group = String(fields[2])
      if fields[1].isEmpty {
        version2 += Self.directories(of: group, type: "cgroup2", option: nil, mounts: mounts)
      } else if fields[1].split(separator: ",").contains(Substring(controller)) {
        version1 += Self.directories(of: group, type: "cgroup", option: controller, mounts: mounts)
      }
    }
    self.version1 = version1
    self.version2 = version2
  }

  /// Reads both texts below `root`, which is empty except in tests.
  init(controller: String, root: String) {
    self.init(
      controller: controller,
      membership: Self.text("\(root)/proc/self/cgroup") ?? "",
      mounts: Self.text("\(root)/proc/self/mountinfo") ?? "")
  }

  /// The text of a small file; nil when it cannot be read, as for limits a kernel does not have.
  static func text(_ path: String) -> String? {
    guard let bytes = try? FileReader.read(path, limit: 1 << 20) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The number in a file; nil when it cannot be read or is none ("max").
  static func number(_ path: String) -> Int? {
    text(path).flatMap { Int($0.prefix { !$0.isWhitespace }) }
  }

  /// The group's directory and those above it, inside the first mount that fits.
  private static func directories(
    of group: String, type: String, option: String?, mounts: String
  ) -> [String] {
    for line in mounts.split(separator: "\n") {
      // ID parent device root mount-point options [optional ...] - type source super-options
      guard let separator = line.range(of: " - ") else { continue }
      let before = line[..<separator.lowerBound].split(separator: " ")
      let after = line[separator.upperBound...].split(separator: " ")
      guard before.count >= 6, after.count >= 3, after[0] == type else { continue }
      if let option, !after[2].split(separator: ",").contains(Substring(option)) { continue }
      return ancestry(of: group, mountRoot: before[3], mountPoint: String(before[4]))
    }
    return []
  }

  private static func ancestry(
    of group: String, mountRoot: Substring, mountPoint: String
  ) -> [String] {
    var names = group.split(separator: "/")
    let shown = mountRoot.split(separator: "/")
    if names.starts(with: shown) { names.removeFirst(shown.count) }
    // ".." leads out of what this mount shows: only its top is known to be above us.
    if names.contains("..") { names = [] }
    return (0...names.count).reversed().map { count in
      ([mountPoint] + names.prefix(count).map(String.init)).joined(separator: "/")
    }
  }
}

extension Substring {
  /// First occurrence of a piece of text.
  fileprivate func range(of piece: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(piece) {
        return start..<index(start, offsetBy: piece.count)
      }
      start = index(after: start)
    }
    return nil
  }
}
