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
  /// Nanoseconds asleep. During a sleep the time of its beginning is taken away, which is more than
  /// any sum of sleeps and so makes the number negative: one word says all.
  private let slept = Atomic<Int64>(0)
  /// The most that was told. A worker may note the end of its sleep after somebody asked.
  private let told = Atomic<Int64>(0)

  var spins: Int { spinCount.load(ordering: .relaxed) }
  var sleeps: Int { sleepCount.load(ordering: .relaxed) }

  /// Asleep, the present sleep included; never less than told before.
  var nanoseconds: Int64 {
    let noted = slept.load(ordering: .relaxed)
    return told.max(noted < 0 ? noted + Self.now : noted, ordering: .relaxed).newValue
  }

  private static var now: Int64 { Int64(MonotonicClock.nanoseconds) }

  func countSpin() { spinCount.add(1, ordering: .relaxed) }

  func beginSleep() {
    sleepCount.add(1, ordering: .relaxed)
    slept.subtract(Self.now, ordering: .relaxed)
  }

  func endSleep() { slept.add(Self.now, ordering: .relaxed) }
}
