// The threads of the forward pass: one fork and join per parallel operation.
//
// Workers wait for the next operation by spinning for some microseconds, because operations follow
// each other closely within a step, and then sleep, because between requests there is nothing to do.

import Platform
import Synchronization

/// A fixed set of threads that run the tasks of one operation at a time. The caller of `run` is one
/// of them; only one thread may call it (the engine's).
public final class WorkerPool: Sendable {
  /// Threads that compute, the caller of `run` included.
  public let threadCount: Int
  private let crew = Crew()
  private let threads: [Thread]

  public init(threadCount: Int) throws(PlatformError) {
    precondition(threadCount > 0, "a pool has at least its caller")
    self.threadCount = threadCount
    var threads: [Thread] = []
    for _ in 1..<threadCount { threads.append(try Thread { [crew] in crew.work() }) }
    self.threads = threads
  }

  deinit {
    crew.stop()
    for thread in threads { thread.join() }
  }

  /// Calls `body` once for each number below `tasks`, on any thread, and returns when all are done.
  public func run(tasks: Int, _ body: @Sendable (Int) -> Void) {
    guard tasks > 1, threadCount > 1 else {
      for number in 0..<tasks { body(number) }
      return
    }
    withoutActuallyEscaping(body) {
      crew.run(tasks: tasks, helpers: threadCount - 1, $0)
    }
  }
}

/// What the caller and the workers share.
private final class Crew: @unchecked Sendable {
  // Unchecked: `task` and `taskCount` are written by the caller of `run` while all workers wait,
  // published by the increment of `generation`, and not touched again before `running` is zero.
  private var task: (@Sendable (Int) -> Void)?
  private var taskCount = 0
  private let generation = Atomic<Int>(0)
  private let nextTask = Atomic<Int>(0)
  private let running = Atomic<Int>(0)
  private let sleeping = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private let alarm = Condition()

  /// About 30 microseconds: longer than the serial stretches of a step, far below a scheduler tick.
  private static let spins = 30_000

  func run(tasks: Int, helpers: Int, _ body: @escaping @Sendable (Int) -> Void) {
    task = body
    taskCount = tasks
    nextTask.store(0, ordering: .relaxed)
    running.store(helpers, ordering: .relaxed)
    announce()
    takeTasks()
    while running.load(ordering: .acquiring) > 0 {}
    task = nil
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    announce()
  }

  /// Wakes the workers. A worker announces its sleep before it looks at `generation` a last time,
  /// so either it sees the new one or it is seen here.
  private func announce() {
    generation.add(1, ordering: .sequentiallyConsistent)
    if sleeping.load(ordering: .sequentiallyConsistent) > 0 { alarm.broadcast() }
  }

  func work() {
    var seen = 0
    while true {
      seen = waitForOperation(after: seen)
      if stopping.load(ordering: .sequentiallyConsistent) { return }
      takeTasks()
      running.subtract(1, ordering: .releasing)
    }
  }

  private func takeTasks() {
    guard let task else { preconditionFailure("no operation published") }
    while true {
      let number = nextTask.add(1, ordering: .relaxed).oldValue
      guard number < taskCount else { return }
      task(number)
    }
  }

  private func waitForOperation(after seen: Int) -> Int {
    for _ in 0..<Self.spins {
      let current = generation.load(ordering: .acquiring)
      if current != seen { return current }
    }
    sleeping.add(1, ordering: .sequentiallyConsistent)
    alarm.wait { generation.load(ordering: .sequentiallyConsistent) != seen }
    sleeping.subtract(1, ordering: .sequentiallyConsistent)
    return generation.load(ordering: .acquiring)
  }
}
