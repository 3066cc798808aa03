// What the system says of this process, from texts as kernels write them and from the real thing.

import Foundation
import Glibc
import Platform
import TestSupport
import Testing

@Suite("Process and throttling")
struct StatisticsTests {
  @Test("a name with spaces and parentheses does not shift the fields of stat")
  func stat() {
    var statistics = ProcessStatistics()
    statistics.parse(
      stat: "42 (a) R ( b) S 1 42 42 0 -1 4194560 1 2 3 4 250 150 7 8 20 0 9 0 5000 8192000 300 1",
      system: "cpu 1 2 3\nbtime 1700000000\nprocesses 9\n", ticksPerSecond: 100, pageBytes: 4096)
    #expect(statistics.cpuSeconds == 4)
    #expect(statistics.threads == 9)
    #expect(statistics.virtualBytes == 8_192_000)
    #expect(statistics.residentBytes == 300 * 4096)
    #expect(statistics.startSeconds == 1_700_000_050)
  }

  @Test(
    "texts that make no sense leave zeros",
    arguments: ["", "42", "42 (a", "42 (a) S", "42 (a) S x y z", "1 (a) S 9223372036854775808"])
  func malformed(text: String) {
    var statistics = ProcessStatistics()
    statistics.parse(stat: text, system: "btime x\n", ticksPerSecond: 0, pageBytes: -1)
    #expect(statistics == ProcessStatistics())
  }

  @Test("this process is what it is")
  func own() throws {
    let before = ProcessStatistics.measure()
    let held = try (0..<10).map { _ in try #require(fopenNull()) }
    let after = ProcessStatistics.measure()
    // Tests beside this one open and close files, too.
    #expect(after.openDescriptors > 3 && after.descriptorLimit >= after.openDescriptors)
    #expect(after.residentBytes > 1 << 20 && after.virtualBytes >= after.residentBytes)
    #expect(after.cpuSeconds >= before.cpuSeconds && after.cpuSeconds > 0)
    #expect(after.threads >= 1)
    let age = Date().timeIntervalSince1970 - after.startSeconds
    #expect(age > -2 && age < 86_400)
    for descriptor in held { close(descriptor) }
  }

  private func fopenNull() -> Int32? {
    let descriptor = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    return descriptor >= 0 ? descriptor : nil
  }

  @Test(
    "cpu.stat of both versions",
    arguments: [
      (
        "usage_usec 9\nnr_periods 10\nnr_throttled 3\nthrottled_usec 1500000\nnr_bursts 0\n",
        [10, 3, 1.5]
      ),
      ("nr_periods 5\nnr_throttled 2\nthrottled_time 250000000\n", [5, 2, 0.25]),
      ("nr_periods 5\nnr_throttled 2\n", [5, 2, 0]), ("usage_usec 9\nuser_usec 4\n", nil),
      ("", nil), ("nr_periods -1\nnr_throttled 2\n", nil),
    ] as [(String, [Double]?)])
  func throttling(text: String, expected: [Double]?) {
    let parsed = ProcessorThrottling(parsing: text).map {
      [Double($0.periods), Double($0.throttledPeriods), $0.throttledSeconds]
    }
    #expect(parsed == expected)
  }

  @Test("the group that was stopped most counts, wherever it is on the way to the root")
  func groups() throws {
    let directory = try TemporaryDirectory()
    try directory.write("proc/self/cgroup", "0::/a/b\n")
    try directory.write(
      "proc/self/mountinfo",
      "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n")
    func stat(_ throttled: Int) -> String {
      "nr_periods 100\nnr_throttled \(throttled)\nthrottled_usec \(throttled * 1000)\n"
    }
    #expect(ProcessorThrottling.measure(root: directory.path) == nil)
    try directory.write("sys/fs/cgroup/cpu.stat", "usage_usec 5\n")
    try directory.write("sys/fs/cgroup/a/cpu.stat", stat(7))
    try directory.write("sys/fs/cgroup/a/b/cpu.stat", stat(2))
    #expect(ProcessorThrottling.measure(root: directory.path)?.throttledPeriods == 7)
  }

  @Test("times of day against Foundation")
  func times() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    for _ in 0..<200 {
      let seconds = Int.random(in: -10_000_000_000...200_000_000_000, using: &g)
      let milliseconds = Int.random(in: 0..<1000, using: &g)
      let date = Date(timeIntervalSince1970: Double(seconds) + (Double(milliseconds) + 0.4) / 1000)
      let text = WallClock.text(seconds: seconds, milliseconds: milliseconds)
      #expect(text == formatter.string(from: date), "seed \(seed)")
    }
    let age = formatter.date(from: WallClock.text).map { abs($0.timeIntervalSinceNow) }
    #expect(age.map { $0 < 60 } == true)
  }
}
