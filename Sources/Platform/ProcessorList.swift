// Processors by number, as the kernel lists them.

/// Reads lists of processors.
package enum ProcessorList {
  /// Processors that are both online and in the affinity mask; the mask alone may name processors
  /// that a virtual machine could be given later. `root` replaces `/` in tests.
  static func usable(root: String) -> Set<Int> {
    usable(
      status: ControlGroups.text("\(root)/proc/self/status") ?? "",
      online: ControlGroups.text("\(root)/sys/devices/system/cpu/online") ?? "")
  }

  /// The same from the texts of `/proc/self/status` and `/sys/devices/system/cpu/online`; none when
  /// they make no sense.
  package static func usable(status: String, online: String) -> Set<Int> {
    let key = "Cpus_allowed_list:"
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(key) }) else {
      return []
    }
    return numbers(line.dropFirst(key.count)).intersection(numbers(online[...]))
  }

  /// A list such as "0-3,8" (man 7 cpuset); what is no number below 65,536 is skipped.
  static func numbers(_ list: Substring) -> Set<Int> {
    let words = list.split { $0 == "," || $0.isWhitespace }
    return words.reduce(into: []) { numbers, word in
      let ends = word.split(separator: "-").map { Int($0) ?? -1 }
      guard let first = ends.first, let last = ends.last, ends.count <= 2,
        0 <= first, first <= last, last < 1 << 16
      else { return }
      numbers.formUnion(first...last)
    }
  }
}
