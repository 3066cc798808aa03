// How much memory may be taken: what the machine and the control groups leave. Pages of files
// count as free, because the kernel drops them when memory is asked for.

/// The memory this process may use, in bytes.
public struct MemoryBudget: Equatable, Sendable {
  /// The machine's memory or the smallest control-group limit.
  public let total: Int
  /// What can still be taken without swapping or being killed.
  public let available: Int

  public init(total: Int, available: Int) {
    self.total = total
    self.available = available
  }

  /// The budget of the calling process now. `root` replaces `/` in tests.
  public static func measure(root: String = "") throws(PlatformError) -> MemoryBudget {
    let path = "\(root)/proc/meminfo"
    let text = String(decoding: try FileReader.read(path, limit: 1 << 20), as: UTF8.self)
    guard let machine = MemoryBudget(meminfo: text) else { throw .malformedFile(path) }
    let groups = ControlGroups(controller: "memory", root: root)
    let limits =
      groups.version2.compactMap {
        limit(root + $0, limit: "memory.max", usage: "memory.current", prefix: "")
      }
      + groups.version1.compactMap {
        limit(
          root + $0, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
          prefix: "total_")
      }
    return limits.reduce(machine) { budget, limit in
      MemoryBudget(
        total: min(budget.total, limit.total), available: min(budget.available, limit.available))
    }
  }

  /// Parses `/proc/meminfo`, whose amounts are in KiB.
  package init?(meminfo text: String) {
    let fields = Self.fields(text)
    guard let total = fields["MemTotal:"], let available = fields["MemAvailable:"],
      0...(Int.max >> 10) ~= total, 0...total ~= available
    else { return nil }
    self.init(total: total << 10, available: available << 10)
  }

  /// What a group with this limit and use leaves; `stat` is its `memory.stat`.
  package init?(limit: Int, usage: Int, stat: String, prefix: String) {
    guard limit >= 0, usage >= 0 else { return nil }
    let fields = Self.fields(stat)
    let files = ["active_file", "inactive_file"].reduce(0) { sum, name in
      max(sum, sum &+ max(fields[Substring(prefix + name)] ?? 0, 0))
    }
    let used = usage - min(files, usage)
    self.init(total: limit, available: limit - min(used, limit))
  }

  private static func limit(
    _ directory: String, limit: String, usage: String, prefix: String
  ) -> MemoryBudget? {
    guard let limit = ControlGroups.number("\(directory)/\(limit)"),
      let usage = ControlGroups.number("\(directory)/\(usage)")
    else { return nil }
    return MemoryBudget(
      limit: limit, usage: usage,
      stat: ControlGroups.text("\(directory)/memory.stat") ?? "", prefix: prefix)
  }

  /// Lines of a name, white space and a number; others are skipped, the first of a name counts.
  private static func fields(_ text: String) -> [Substring: Int] {
    var fields: [Substring: Int] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count >= 2, let number = Int(words[1]), fields[words[0]] == nil {
        fields[words[0]] = number
      }
    }
    return fields
  }
}
