// Processor and memory budgets, from tables of texts as kernels and container engines write them.

import Platform
import TestSupport
import Testing

@Suite("Budgets")
struct BudgetTests {
  @Test(
    "cpu.max",
    arguments: [
      ("max 100000\n", nil), ("150000 100000\n", 1.5), ("50000 100000", 0.5), ("1 1000000", 1e-6),
      ("", nil), ("max", nil), ("100000", nil), ("-5 100000", nil), ("100000 0", nil),
      ("9223372036854775808 100000", nil), ("9223372036854775807 1", 9_223_372_036_854_775_807),
      ("1 2 3", nil), ("x y", nil),
    ] as [(String, Double?)])
  func quota(text: String, expected: Double?) {
    #expect(ProcessorBudget.quota(parsing: text) == expected)
  }

  @Test(
    "threads are the whole processors left, at least one",
    arguments: [
      (8, nil, 8), (8, 2.0, 2), (8, 2.99, 2), (8, 0.3, 1), (2, 64.0, 2), (0, nil, 1), (4, 4.0, 4),
      (4, 1e300, 4), (4, .infinity, 4),
    ] as [(Int, Double?, Int)])
  func threads(affinity: Int, quota: Double?, expected: Int) {
    #expect(ProcessorBudget(affinity: affinity, quota: quota).threads == expected)
  }

  static let version2Mount = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
  static let version1Mounts = """
    31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
    33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:11 - cgroup cgroup rw,cpu,cpuacct
    34 31 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory

    """

  @Test("own group and those above, up to the mount")
  func ancestry() {
    let service = ControlGroups(
      controller: "cpu", membership: "0::/system.slice/hadal.service\n",
      mounts: Self.version2Mount)
    #expect(service.version1 == [])
    #expect(
      service.version2 == [
        "/sys/fs/cgroup/system.slice/hadal.service", "/sys/fs/cgroup/system.slice",
        "/sys/fs/cgroup",
      ])
    let membership = "5:cpuacct,cpu:/a/b\n4:memory:/docker/abc/x\n3:cpuset:/c\n"
    let cpu = ControlGroups(
      controller: "cpu", membership: membership, mounts: Self.version1Mounts)
    #expect(
      cpu.version1 == [
        "/sys/fs/cgroup/cpu,cpuacct/a/b", "/sys/fs/cgroup/cpu,cpuacct/a",
        "/sys/fs/cgroup/cpu,cpuacct",
      ])
    let memory = ControlGroups(
      controller: "memory", membership: membership, mounts: Self.version1Mounts)
    #expect(memory.version1 == ["/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory"])
    #expect(memory.version2 == [])
  }

  @Test(
    "strange texts give the mount or nothing",
    arguments: [
      ("0::/../../x", ["/sys/fs/cgroup"]), ("0::/", ["/sys/fs/cgroup"]),
      ("0::", ["/sys/fs/cgroup"]), ("0:", []), ("", []),
      ("::::", ["/sys/fs/cgroup/::", "/sys/fs/cgroup"]),
    ])
  func strange(membership: String, expected: [String]) {
    let groups = ControlGroups(
      controller: "cpu", membership: membership, mounts: "- \n - x\n" + Self.version2Mount)
    #expect(groups.version2 == expected)
    for mounts in ["", " - ", "a b c d e f - cgroup2", "- cgroup2 cgroup2 rw"] {
      #expect(
        ControlGroups(controller: "cpu", membership: membership, mounts: mounts).version2 == [])
    }
  }

  @Test("the smallest limit on the way up binds, version 2")
  func measureVersion2() throws {
    let root = try TemporaryDirectory()
    try root.write("proc/self/cgroup", "0::/pod/box\n")
    try root.write("proc/self/mountinfo", Self.version2Mount)
    try root.write("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-15\n")
    try root.write("sys/devices/system/cpu/online", "0-31\n")
    try root.write("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 900 kB\n")
    #expect(
      ProcessorBudget.measure(root: root.path)
        == ProcessorBudget(affinity: 16, quota: nil))
    #expect(
      try MemoryBudget.measure(root: root.path)
        == MemoryBudget(total: 1_024_000, available: 921_600))
    try root.write("sys/fs/cgroup/pod/box/cpu.max", "max 100000\n")
    try root.write("sys/fs/cgroup/pod/cpu.max", "350000 100000\n")
    try root.write("sys/fs/cgroup/pod/box/memory.max", "max\n")
    try root.write("sys/fs/cgroup/pod/memory.max", "500000\n")
    try root.write("sys/fs/cgroup/pod/memory.current", "300000\n")
    try root.write(
      "sys/fs/cgroup/pod/memory.stat", "anon 100000\ninactive_file 50000\nactive_file 150000\n")
    #expect(ProcessorBudget.measure(root: root.path).threads == 3)
    #expect(
      try MemoryBudget.measure(root: root.path) == MemoryBudget(total: 500_000, available: 400_000))
  }

  @Test("the smallest limit on the way up binds, version 1 in a container")
  func measureVersion1() throws {
    let root = try TemporaryDirectory()
    try root.write("proc/self/cgroup", "5:cpuacct,cpu:/docker/abc\n4:memory:/docker/abc\n")
    try root.write("proc/self/mountinfo", Self.version1Mounts)
    try root.write("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 300 kB\n")
    // The container engine shows only its own group, at the top of the mount.
    try root.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
    try root.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    try root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "600000\n")
    try root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "700000\n")
    try root.write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 250000\ncache 1\n")
    #expect(ProcessorBudget.measure(root: root.path).quota == nil)
    #expect(
      try MemoryBudget.measure(root: root.path) == MemoryBudget(total: 600_000, available: 150_000))
    try root.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n")
    #expect(ProcessorBudget.measure(root: root.path).quota == 2.5)
  }

  @Test(
    "processors that are online and allowed",
    arguments: [
      ("0-3", "0-7\n", 4), ("0-127", "0-1", 2), ("1,3,5-6", "0-5", 3), ("0", "0", 1),
      ("7", "0-3", 0), ("", "0-3", 0), ("x,-,3-1,1-2-3,99999999999999999999,0", "0-3", 1),
      ("0-65535", "0-9223372036854775807", 0), ("0-65535", "0-65535", 65536),
    ])
  func processorCount(allowed: String, online: String, expected: Int) {
    let status = "Name:\thadal\nCpus_allowed_list:\t\(allowed)\nSpeculation:\tx\n"
    #expect(ProcessorList.usable(status: status, online: online).count == expected)
    #expect(ProcessorList.usable(status: "", online: online) == [])
  }

  @Test(
    "meminfo that is none",
    arguments: [
      "", "MemTotal: 5 kB", "MemTotal: x kB\nMemAvailable: 1 kB", "MemTotal: -5\nMemAvailable: -6",
      "MemTotal: 9223372036854775807 kB\nMemAvailable: 1 kB", "MemTotal: 5\nMemAvailable: 6",
    ])
  func meminfo(text: String) {
    #expect(MemoryBudget(meminfo: text) == nil)
  }

  @Test("group numbers at their extremes")
  func groupExtremes() {
    let huge = "inactive_file \(Int.max)\nactive_file \(Int.max)\n"
    for limit in [0, 1, .max] {
      for usage in [0, 1, .max] {
        for stat in ["", huge, "inactive_file -1\n"] {
          let budget = MemoryBudget(limit: limit, usage: usage, stat: stat, prefix: "")
          #expect(0...limit ~= (budget?.available ?? -1))
        }
      }
    }
    #expect(MemoryBudget(limit: -1, usage: 0, stat: "", prefix: "") == nil)
  }

  @Test("this machine has a budget")
  func here() throws {
    #expect(ProcessorBudget.measure().threads >= 1)
    let memory = try MemoryBudget.measure()
    #expect(memory.total > 1 << 20 && memory.available <= memory.total && memory.available > 0)
  }
}
