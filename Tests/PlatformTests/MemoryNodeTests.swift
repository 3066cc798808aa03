// Memory nodes as the kernel describes them, and threads that stay where they belong.

import Platform
import Synchronization
import TestSupport
import Testing

@Suite("Memory nodes")
struct MemoryNodeTests {
  @Test("processors of each node that are online and allowed")
  func measure() throws {
    let root = try TemporaryDirectory()
    #expect(MemoryNodes.measure(root: root.path) == .single)
    try root.write("proc/self/status", "Name:\tx\nCpus_allowed_list:\t2-9\n")
    try root.write("sys/devices/system/cpu/online", "0-15\n")
    #expect(MemoryNodes.measure(root: root.path) == .single)
    // As on two sockets with two threads a core, and a node of memory alone.
    try root.write("sys/devices/system/node/online", "0-2\n")
    try root.write("sys/devices/system/node/node0/cpulist", "0-3,8-11\n")
    try root.write("sys/devices/system/node/node1/cpulist", "4-7,12-15\n")
    try root.write("sys/devices/system/node/node2/cpulist", "\n")
    #expect(
      MemoryNodes.measure(root: root.path).processors == [[2, 3, 8, 9], [4, 5, 6, 7]])
    try root.write("proc/self/status", "Cpus_allowed_list:\t5\n")
    #expect(MemoryNodes.measure(root: root.path).processors == [[5]])
  }

  @Test("this machine has at least one node, and no more processors in them than it may use")
  func thisMachine() {
    let nodes = MemoryNodes.measure()
    #expect(nodes.processors.count >= 1)
    let all = nodes.processors.flatMap { $0 }
    #expect(Set(all).count == all.count && all.count <= ProcessorBudget.measure().affinity)
  }

  @Test("a thread stays on the processors it is given, and only that thread")
  func stay() throws {
    let all = MemoryNodes.measure().processors.flatMap { $0 }
    guard let last = all.max() else { return }
    let found = Mutex<[Int]>([])
    let thread = try Thread {
      Thread.stay(on: [last])
      // A processor that no machine has changes nothing.
      Thread.stay(on: [40_000])
      found.withLock { $0 = Self.allowed() }
    }
    let before = Self.allowed()
    thread.join()
    #expect(found.withLock { $0 } == [last])
    #expect(Self.allowed() == before)
  }

  /// Processors that the calling thread may run on.
  private static func allowed() -> [Int] {
    func text(_ path: String) -> String {
      (try? FileReader.read(path, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
    return ProcessorList.usable(
      status: text("/proc/thread-self/status"), online: text("/sys/devices/system/cpu/online")
    ).sorted()
  }
}
