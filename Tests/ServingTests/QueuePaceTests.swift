// What a full queue tells those whom it refuses, against queues that empty at a known pace.

import Sampling
import Serving
import Synchronization
import TestSupport
import Testing

@Suite("Pace of the queue")
struct QueuePaceTests {
  /// A queue of ten that has just been full, with places that became free at intervals.
  private func pace(_ intervals: [Double]) -> (pace: QueuePace, now: UInt64) {
    var pace = QueuePace()
    var now: UInt64 = 5_000_000_000
    for _ in 0..<10 { pace.take(at: now) }
    for interval in intervals {
      now += UInt64(interval * 1e9)
      pace.leave(at: now, remaining: 9)
      pace.take(at: now)
    }
    return (pace, now)
  }

  @Test(
    "the mean time between places, in whole seconds upwards, at least one",
    arguments: [
      ([], 1), ([0.01, 0.01], 1), ([0.9], 1), ([1.1], 2), ([3, 3, 3, 3], 3), ([7.5], 8),
      ([59], 59), ([61], 60), ([1e6], 60),
    ] as [([Double], Int)])
  func mean(intervals: [Double], seconds: Int) {
    var (pace, now) = pace(intervals)
    #expect(pace.refuse(at: now) == seconds)
  }

  @Test("each who is refused is told of a later place, until somebody is taken")
  func several() {
    var (pace, now) = pace([2, 2, 2, 2])
    #expect((0..<5).map { _ in pace.refuse(at: now) } == [2, 4, 6, 8, 10])
    #expect((0..<100).map { _ in pace.refuse(at: now) }.last == 60)
    pace.leave(at: now, remaining: 9)
    pace.take(at: now)
    #expect(pace.refuse(at: now) < 3)
  }

  @Test("a place that is overdue, a change of pace, and time in which nobody waited")
  func changes() {
    var (overdue, time) = pace([1, 1, 1])
    #expect(overdue.refuse(at: time + 20_000_000_000) == 20)
    var (faster, now) = pace(Array(repeating: 30, count: 20) + Array(repeating: 0.1, count: 100))
    #expect(faster.refuse(at: now) == 1)
    faster.leave(at: now, remaining: 0)
    faster.take(at: now + 3_600_000_000_000)
    #expect(faster.refuse(at: now + 3_600_000_000_000) == 1)
    var backwards = QueuePace()
    backwards.take(at: .max)
    backwards.leave(at: 0, remaining: 1)
    #expect(backwards.refuse(at: 0) == 1)
  }

  @Test("at any steady pace, who comes back when told is let in about then")
  func steady() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for _ in 0..<50 {
      let mean = Double.random(in: 0.2...8, using: &g)
      // Some leave together, as after a long prompt.
      let intervals = (0..<200).map { _ in
        Bool.random(using: &g) ? 0 : Double.random(in: 0...4 * mean, using: &g)
      }
      var (pace, now) = pace(intervals)
      let told = Double(pace.refuse(at: now))
      #expect(told >= max(1, mean / 3) && told <= max(1, 3 * mean).rounded(.up), "seed \(seed)")
    }
  }

  @Test("the door says it")
  func door() throws {
    let now = Mutex<UInt64>(1_000_000_000)
    let inbox = EngineInbox(queueLength: 1, clock: { now.withLock { $0 } })
    func submit() throws {
      let request = GenerationRequest(prompt: [1], sampling: SamplingParameters(), maxTokens: 1)
      _ = try inbox.submit(request) { _ in
        TokenStream(capacity: 4, notify: {}, cancelled: {}, resumed: {})
      }
    }
    try submit()
    #expect(throws: ServingError.queueFull(limit: 1, retrySeconds: 1)) { try submit() }
    now.withLock { $0 += 5_000_000_000 }
    #expect(throws: ServingError.queueFull(limit: 1, retrySeconds: 10)) { try submit() }
    inbox.leaveQueue(0)
    try submit()
    #expect(throws: ServingError.queueFull(limit: 1, retrySeconds: 5)) { try submit() }
  }
}
