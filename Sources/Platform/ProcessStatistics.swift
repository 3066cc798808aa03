// What this process has used so far, from /proc (man 5 proc).

import Glibc

/// Resources of the calling process.
public struct ProcessStatistics: Sendable, Equatable {
  /// Seconds of processor time, user and system together.
  public var cpuSeconds = 0.0
  /// Bytes of memory that are resident, and of address space.
  public var residentBytes = 0
  public var virtualBytes = 0
  /// Seconds since 1970 at which the process began.
  public var startSeconds = 0.0
  public var threads = 0
  /// Descriptors that are open, and the soft limit of how many may be.
  public var openDescriptors = 0
  public var descriptorLimit = 0

  /// Nothing.
  package init() {}

  /// Of the process now; what cannot be read stays 0.
  public static func measure() -> ProcessStatistics {
    var statistics = ProcessStatistics()
    statistics.parse(
      stat: ControlGroups.text("/proc/self/stat") ?? "",
      system: ControlGroups.text("/proc/stat") ?? "",
      ticksPerSecond: sysconf(Int32(_SC_CLK_TCK)), pageBytes: sysconf(Int32(_SC_PAGESIZE)))
    statistics.openDescriptors = descriptorCount()
    var limit = rlimit()
    if unsafe getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 {
      statistics.descriptorLimit = Int(clamping: limit.rlim_cur)
    }
    return statistics
  }

  /// Takes what the texts of `/proc/self/stat` and `/proc/stat` say.
  package mutating func parse(stat: String, system: String, ticksPerSecond: Int, pageBytes: Int) {
    // The name, in parentheses, may hold anything; fields are numbered from 1 and it is the second.
    guard let name = stat.lastIndex(of: ")") else { return }
    let fields = stat[name...].dropFirst().split(separator: " ")
    func field(_ number: Int) -> Int {
      let index = number - 3
      return fields.indices.contains(index) ? max(Int(fields[index]) ?? 0, 0) : 0
    }
    let ticks = Double(max(ticksPerSecond, 1))
    cpuSeconds = (Double(field(14)) + Double(field(15))) / ticks
    threads = field(20)
    virtualBytes = field(23)
    residentBytes = field(24).multipliedReportingOverflow(by: max(pageBytes, 0)).partialValue
    let boot = system.split(separator: "\n").first { $0.hasPrefix("btime ") }
    guard let boot, let seconds = Double(boot.dropFirst("btime ".count)) else { return }
    startSeconds = seconds + Double(field(22)) / ticks
  }

  private static func descriptorCount() -> Int {
    guard let directory = unsafe opendir("/proc/self/fd") else { return 0 }
    defer { unsafe closedir(directory) }
    // Not counted: ".", ".." and the descriptor that reads the directory.
    var count = -3
    while unsafe readdir(directory) != nil { count += 1 }
    return max(count, 0)
  }
}
