// How many threads may compute at once: what the affinity mask and the control groups' CPU quota
// leave. A thread above the quota does not help; it makes the kernel stop all of them.

import Glibc

/// The processors this process may use.
public struct ProcessorBudget: Equatable, Sendable {
  /// Processors in the affinity mask, which cpusets narrow too.
  public let affinity: Int
  /// The smallest CPU quota on the way to the root, in processors; nil when there is none.
  public let quota: Double?

  public init(affinity: Int, quota: Double?) {
    self.affinity = affinity
    self.quota = quota
  }

  /// Threads to run: the whole processors both limits leave, at least one.
  public var threads: Int {
    guard let quota, quota < Double(affinity) else { return max(affinity, 1) }
    return max(Int(quota), 1)
  }

  /// The budget of the calling process. `root` replaces `/` in tests.
  public static func measure(root: String = "") -> ProcessorBudget {
    let groups = ControlGroups(controller: "cpu", root: root)
    let quotas =
      groups.version2.compactMap { directory in
        ControlGroups.text("\(root)\(directory)/cpu.max").flatMap(quota(parsing:))
      }
      + groups.version1.compactMap { directory in
        quota(
          microseconds: ControlGroups.number("\(root)\(directory)/cpu.cfs_quota_us"),
          period: ControlGroups.number("\(root)\(directory)/cpu.cfs_period_us"))
      }
    return ProcessorBudget(affinity: affinityCount(root: root), quota: quotas.min())
  }

  /// A version 2 `cpu.max`: "QUOTA PERIOD" in microseconds, or "max PERIOD" for none.
  package static func quota(parsing text: String) -> Double? {
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count == 2 else { return nil }
    return quota(microseconds: Int(fields[0]), period: Int(fields[1]))
  }

  /// Version 1 says -1 for none.
  private static func quota(microseconds: Int?, period: Int?) -> Double? {
    guard let microseconds, let period, microseconds > 0, period > 0 else { return nil }
    return Double(microseconds) / Double(period)
  }

  private static func affinityCount(root: String) -> Int {
    let count = ProcessorList.usable(root: root).count
    return count > 0 ? count : max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
  }
}
