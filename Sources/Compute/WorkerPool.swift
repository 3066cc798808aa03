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
  /// The memory nodes that the threads belong to.
  public let nodes: NodeShares
  private let crew: Crew
  private let threads: [Thread]

  /// Starts all threads but the caller's; throws when the system refuses one.
  /// - Parameter memory: where there are several nodes, each thread stays on the processors of one.
  public init(threadCount: Int, memory: MemoryNodes = .single) throws(PlatformError) {
    precondition(threadCount > 0, "a pool has at least its caller")
    self.threadCount = threadCount
    let nodes = NodeShares(threads: threadCount, memory: memory)
    self.nodes = nodes
    crew = Crew(workers: threadCount - 1)
    var threads: [Thread] = []
    do {
      for worker in crew.counters.indices {
        threads.append(
          try Thread { [crew] in
            nodes.settle(thread: worker + 1)
            crew.work(worker)
          })
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

  /// Keeps the calling thread, which will call `run` from now on, with the threads of its node.
  public func adoptCaller() { nodes.settle(thread: 0) }

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
/// Each thread has a share of an operation's tasks, neighbours, so that what it reads from memory
/// is one stream: with tasks dealt out in turns, two threads of a Zen 4 read a quarter less. Tasks
/// are claimed one by one; who has done its own share helps with the next thread's. An operation
/// ends when every claimed task has: a worker that the system does not run at the moment is not
/// waited for, its share is done by the others.
private final class Crew: @unchecked Sendable {
  // Unchecked: `lent` and `taskCount` are written by the caller of `run` before the shares are
  // published and read only between a successful claim and the end of the claimed task; the caller
  // does not return, and so does not write again, before all claimed tasks have ended.
  private var lent: (any ParallelWork)?
  private var taskCount = 0
  /// The caller's share, then those of the workers.
  private let shares: [TaskShare]
  /// Number of the last operation that began.
  private let operation = Atomic<UInt64>(0)
  private let unfinished = Atomic<Int>(0)
  private let sleeping = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private let alarm = Condition()
  /// One for each worker.
  let counters: [WorkerCounter]

  init(workers: Int) {
    counters = (0..<workers).map { _ in WorkerCounter() }
    shares = (0...workers).map { _ in TaskShare() }
  }

  /// Tens of microseconds: longer than the serial stretches of a step, far below a scheduler tick.
  private static let spins = 60_000

  /// - Parameter work: one word, so that it needs no box.
  func run(tasks: Int, _ work: some ParallelWork) {
    precondition(unfinished.load(ordering: .relaxed) == 0, "operations do not overlap")
    lent = work
    taskCount = tasks
    unfinished.store(tasks, ordering: .relaxed)
    let number = operation.load(ordering: .relaxed) &+ 1
    for index in shares.indices {
      shares[index].publish(firstTask(of: index + 1) - firstTask(of: index), operation: number)
    }
    operation.store(number, ordering: .sequentiallyConsistent)
    wakeSleepers()
    takeTasks(home: 0)
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

  /// A worker announces its sleep before it looks at the operation a last time, so either it sees
  /// the new one or it is seen here.
  private func wakeSleepers() {
    if sleeping.load(ordering: .sequentiallyConsistent) > 0 { alarm.broadcast() }
  }

  /// - Parameter worker: its number, from 0.
  func work(_ worker: Int) {
    while !stopping.load(ordering: .sequentiallyConsistent) {
      let seen = operation.load(ordering: .sequentiallyConsistent)
      takeTasks(home: worker + 1)
      waitForTasks(after: seen, counters[worker])
    }
  }

  /// Its own share first, then those of the threads behind it.
  private func takeTasks(home: Int) {
    for offset in shares.indices {
      let index = (home + offset) % shares.count
      while let left = shares[index].claim() {
        perform(firstTask(of: index + 1) - left)
        unfinished.subtract(1, ordering: .releasing)
      }
    }
  }

  private func firstTask(of share: Int) -> Int { taskCount * share / shares.count }

  private func perform(_ number: Int) {
    guard let lent else { preconditionFailure("a claim without an operation") }
    lent.perform(task: number)
  }

  private func isWanted(after seen: UInt64) -> Bool {
    operation.load(ordering: .sequentiallyConsistent) != seen
      || stopping.load(ordering: .sequentiallyConsistent)
  }

  private func waitForTasks(after seen: UInt64, _ counter: WorkerCounter) {
    for _ in 0..<Self.spins where isWanted(after: seen) { return counter.countSpin() }
    sleeping.add(1, ordering: .sequentiallyConsistent)
    counter.beginSleep()
    alarm.wait { isWanted(after: seen) }
    sleeping.subtract(1, ordering: .sequentiallyConsistent)
    counter.endSleep()
  }
}

/// The tasks that one thread begins with.
private final class TaskShare: Sendable {
  /// Two cache lines, which processors fetch together: threads at work on their own shares do not
  /// write to the same ones.
  private let padding = InlineArray<16, UInt64>(repeating: 0)
  /// Number of the operation in the upper half, tasks nobody has claimed yet in the lower half.
  private let ticket = Atomic<UInt64>(0)

  func publish(_ tasks: Int, operation: UInt64) {
    ticket.store(operation << 32 | UInt64(tasks), ordering: .releasing)
  }

  /// Claims the first task that is left; nil when none is. Returns how many were, with this one.
  func claim() -> Int? {
    var seen = ticket.load(ordering: .acquiring)
    while seen & 0xFFFF_FFFF > 0 {
      let claim = ticket.compareExchange(
        expected: seen, desired: seen - 1, ordering: .acquiringAndReleasing)
      if claim.exchanged { return Int(seen & 0xFFFF_FFFF) }
      seen = claim.original
    }
    return nil
  }
}
