// How the threads of the forward pass wait between operations.

import Platform
import Synchronization

/// What the workers of a pool have done between operations, since its start.
public struct WorkerStatistics: Sendable, Equatable {
  /// Threads that compute, the caller included.
  public let threads: Int
  /// Waits that ended while the worker was spinning, and those for which it went to sleep, over
  /// all workers.
  public let spinWaits: Int
  public let sleepWaits: Int
  /// Seconds that workers have slept, over all of them.
  public let sleepSeconds: Double

  init(threads: Int, _ counters: [WorkerCounter]) {
    self.threads = threads
    spinWaits = counters.reduce(0) { $0 + $1.spins }
    sleepWaits = counters.reduce(0) { $0 + $1.sleeps }
    sleepSeconds = Double(counters.reduce(0) { $0 + $1.nanoseconds }) / 1e9
  }
}

/// The waits of one worker. Each worker has its own, so that counting shares no memory between
/// cores; the clock is read around sleep alone, which costs more than reading it.
final class WorkerCounter: Sendable {
  private let spinCount = Atomic<Int>(0)
  private let sleepCount = Atomic<Int>(0)
  private let slept = Atomic<UInt64>(0)
  /// When the present sleep began; 0 when awake.
  private let asleepSince = Atomic<UInt64>(0)

  var spins: Int { spinCount.load(ordering: .relaxed) }
  var sleeps: Int { sleepCount.load(ordering: .relaxed) }

  /// Asleep, the present sleep included.
  var nanoseconds: UInt64 {
    let before = slept.load(ordering: .acquiring)
    let since = asleepSince.load(ordering: .acquiring)
    let now = MonotonicClock.nanoseconds
    // A sleep that ended in between is counted by the next look.
    guard since > 0, slept.load(ordering: .acquiring) == before, now > since else { return before }
    return before + (now - since)
  }

  func countSpin() { spinCount.add(1, ordering: .relaxed) }

  func beginSleep() {
    sleepCount.add(1, ordering: .relaxed)
    asleepSince.store(MonotonicClock.nanoseconds, ordering: .releasing)
  }

  func endSleep() {
    let since = asleepSince.exchange(0, ordering: .acquiringAndReleasing)
    slept.add(MonotonicClock.nanoseconds - since, ordering: .releasing)
  }
}
