// How often the kernel stopped this process's control group because its CPU quota was used up:
// `cpu.stat` of both versions (kernel.org, cgroup-v2 "CPU Interface Files" and sched-bwc).

/// Periods and pauses of the group that was stopped most, from the process's own up to the root.
public struct ProcessorThrottling: Sendable, Equatable {
  /// Periods of the quota in which the group ran, and those in which it was stopped.
  public var periods = 0
  public var throttledPeriods = 0
  /// Seconds that its threads were kept from running.
  public var throttledSeconds = 0.0

  /// Of the calling process; nil when no control group has a `cpu.stat` with a quota's counts.
  /// `root` replaces `/` in tests.
  public static func measure(root: String = "") -> ProcessorThrottling? {
    let groups = ControlGroups(controller: "cpu", root: root)
    return (groups.version2 + groups.version1)
      .compactMap { ControlGroups.text("\(root)\($0)/cpu.stat") }
      .compactMap { ProcessorThrottling(parsing: $0) }
      .max { $0.throttledSeconds < $1.throttledSeconds }
  }

  /// Parses a `cpu.stat`: version 2 counts microseconds, version 1 nanoseconds. Nil without counts
  /// of periods, as at the root of version 2.
  package init?(parsing text: String) {
    var fields: [Substring: Int] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, let number = Int(words[1]), number >= 0 { fields[words[0]] = number }
    }
    guard let periods = fields["nr_periods"], let throttled = fields["nr_throttled"] else {
      return nil
    }
    self.periods = periods
    throttledPeriods = throttled
    throttledSeconds =
      fields["throttled_usec"].map { Double($0) / 1e6 }
      ?? fields["throttled_time"].map { Double($0) / 1e9 } ?? 0
  }
}
