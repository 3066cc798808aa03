// The threads of the forward pass: one fork and join per parallel operation.
//
// Workers wait for the next operation by spinning for some microseconds, because operations follow
// each other closely within a step, and then sleep, because between requests there is nothing to
// do.

import Platform
import Synchronization

/// The tasks of one operation, as a value. A closure would have to move to the heap before other
/// threads may call it; a value stays where it is while the operation runs. It is not copied
/// either: threads that do so at once quarrel about reference counts.
public protocol ParallelWork: Sendable, ~Copyable {
  /// Does one task; called once for each number, on any thread.
  func perform(task: Int)
}

/// A fixed set of threads that run the tasks of one operation at a time. The caller of `run` is one
/// of them; only one thread may call it (the engine's).
public final class WorkerPool: Sendable {
  /// Threads that compute, the caller of `run` included.
  public let threadCount: Int
  private let crew: Crew
  private let threads: [Thread]

  /// Starts all threads but the caller's; throws when the system refuses one.
  public init(threadCount: Int) throws(PlatformError) {
    precondition(threadCount > 0, "a pool has at least its caller")
    self.threadCount = threadCount
    crew = Crew(workers: threadCount - 1)
    var threads: [Thread] = []
    do {
      for counter in crew.counters {
        threads.append(try Thread { [crew] in crew.work(counter) })
      }
    } catch {
      crew.stop()
      for thread in threads { thread.join() }
      throw error
    }
    self.threads = threads
  }

  /// How the threads have waited so far. May be read from any thread.
  public var statistics: WorkerStatistics {
    WorkerStatistics(threads: threadCount, crew.counters)
  }

  deinit {
    crew.stop()
    for thread in threads { thread.join() }
  }

  /// Does the tasks with numbers below `tasks` and returns when all are done.
  public func run(tasks: Int, _ work: borrowing some ParallelWork & ~Copyable) {
    guard tasks > 1, threadCount > 1 else {
      for number in 0..<tasks { work.perform(task: number) }
      return
    }
    unsafe withUnsafePointer(to: work) {
      crew.run(tasks: tasks, unsafe LentWork(work: $0))
    }
  }
}

/// Work that its owner keeps in place until every claimed task has ended.
@safe
private struct LentWork<Work: ParallelWork & ~Copyable>: ParallelWork, @unchecked Sendable {
  // Unchecked: the work itself is sendable, and outlives the operation.
  let work: UnsafePointer<Work>

  func perform(task: Int) { unsafe work.pointee.perform(task: task) }
}

/// What the caller and the workers share.
///
/// Tasks are claimed one by one, and an operation ends when every claimed task has: a worker that
/// the system does not run at the moment is not waited for, its share is done by the others.
private final class Crew: @unchecked Sendable {
  // Unchecked: `lent` and `taskCount` are written by the caller of `run` before the ticket is
  // published and read only between a successful claim and the end of the claimed task; the caller
  // does not return, and so does not write again, before all claimed tasks have ended.
  private var lent: (any ParallelWork)?
  private var taskCount = 0
  /// Number of the operation in the upper half, tasks nobody has claimed yet in the lower half.
  private let ticket = Atomic<UInt64>(0)
  private let unfinished = Atomic<Int>(0)
  private let sleeping = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private let alarm = Condition()
  /// One for each worker.
  let counters: [WorkerCounter]

  init(workers: Int) { counters = (0..<workers).map { _ in WorkerCounter() } }

  /// Tens of microseconds: longer than the serial stretches of a step, far below a scheduler tick.
  private static let spins = 60_000

  /// - Parameter work: one word, so that it needs no box.
  func run(tasks: Int, _ work: some ParallelWork) {
    precondition(unfinished.load(ordering: .relaxed) == 0, "operations do not overlap")
    lent = work
    taskCount = tasks
    unfinished.store(tasks, ordering: .relaxed)
    let operation = (ticket.load(ordering: .relaxed) >> 32 &+ 1) << 32
    ticket.store(operation | UInt64(tasks), ordering: .sequentiallyConsistent)
    wakeSleepers()
    takeTasks()
    var spins = 0
    while unfinished.load(ordering: .acquiring) > 0 {
      spins += 1
      if spins.isMultiple(of: Self.spins) { Thread.yield() }
    }
    lent = nil
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    wakeSleepers()
  }

  /// A worker announces its sleep before it looks at the ticket a last time, so either it sees the
  /// new one or it is seen here.
  private func wakeSleepers() {
    if sleeping.load(ordering: .sequentiallyConsistent) > 0 { alarm.broadcast() }
  }

  func work(_ counter: WorkerCounter) {
    while !stopping.load(ordering: .sequentiallyConsistent) {
      takeTasks()
      waitForTasks(counter)
    }
  }

  private func takeTasks() {
    var seen = ticket.load(ordering: .acquiring)
    while Self.unclaimed(seen) > 0 {
      let claim = ticket.compareExchange(
        expected: seen, desired: seen - 1, ordering: .acquiringAndReleasing)
      seen = claim.original
      guard claim.exchanged else { continue }
      perform(taskCount - Self.unclaimed(seen))
      unfinished.subtract(1, ordering: .releasing)
      seen = ticket.load(ordering: .acquiring)
    }
  }

  private func perform(_ number: Int) {
    guard let lent else { preconditionFailure("a claim without an operation") }
    lent.perform(task: number)
  }

  private static func unclaimed(_ ticket: UInt64) -> Int { Int(ticket & 0xFFFF_FFFF) }

  private var isWanted: Bool {
    Self.unclaimed(ticket.load(ordering: .sequentiallyConsistent)) > 0
      || stopping.load(ordering: .sequentiallyConsistent)
  }

  private func waitForTasks(_ counter: WorkerCounter) {
    for _ in 0..<Self.spins where isWanted { return counter.countSpin() }
    sleeping.add(1, ordering: .sequentiallyConsistent)
    counter.beginSleep()
    alarm.wait { isWanted }
    sleeping.subtract(1, ordering: .sequentiallyConsistent)
    counter.endSleep()
  }
}
