// What this machine can do at most, measured: achieved figures are held against it.

import CKernels
import Platform

/// Rates of all threads of a pool together.
public struct MachineLimits: Sendable, Equatable {
  /// Reads of memory beyond the caches, in bytes per second.
  public let readBytesPerSecond: Double
  /// Multiply-adds per second on operands in registers.
  public let multiplyAddsPerSecond: ByArithmetic

  /// Seconds that each limit is measured, and about those of one look. Others may take a processor
  /// away at any moment: many short looks find one at which nobody does, and the best one counts.
  private static let seconds = 0.15
  private static let lookSeconds = 0.001
  /// Tasks of a thread in a look, so that one that wakes late finds some left.
  private static let tasksPerThread = 4
  /// Multiply-adds of a task that shows how many of them take so long.
  private static let firstMultiplyAdds: Int64 = 1_000_000
  /// Bytes that are read: at least so many, and at least so many for each thread, several times the
  /// part of a shared cache that is a thread's.
  private static let leastBytes = 512 << 20
  private static let threadBytes = 32 << 20
  /// Bytes of one step of a read.
  private static let granule = 256

  /// Measures with the instructions of a tier, in less than a second. No other thread may use the
  /// pool meanwhile.
  /// - Parameter memory: the most bytes to take for it.
  /// - Throws: when the system does not give the memory.
  public static func measure(
    on pool: WorkerPool, tier: KernelTier, memory: Int
  ) throws(PlatformError) -> MachineLimits {
    guard let loops = unsafe ck_limits_of(tier.kernelTier) else {
      preconditionFailure("every tier has loops")
    }
    let limits = unsafe loops.pointee
    var rates = ByArithmetic()
    rates[.int8] = rate(limits.int8, pool)
    rates[.bfloat16] = rate(limits.bfloat16, pool)
    rates[.float32] = rate(limits.float32, pool)
    let wanted = max(leastBytes, pool.threadCount * threadBytes)
    let bytes = max(min(wanted, memory), granule) / granule * granule
    return unsafe MachineLimits(
      readBytesPerSecond: try readRate(limits.read, bytes: bytes, pool),
      multiplyAddsPerSecond: rates)
  }

  /// The better of two measurements, limit by limit.
  public func best(_ other: MachineLimits) -> MachineLimits {
    var rates = multiplyAddsPerSecond
    for kind in Arithmetic.allCases { rates[kind] = max(rates[kind], other[kind]) }
    return MachineLimits(
      readBytesPerSecond: max(readBytesPerSecond, other.readBytesPerSecond),
      multiplyAddsPerSecond: rates)
  }

  /// Multiply-adds per second of one kind.
  public subscript(_ arithmetic: Arithmetic) -> Double { multiplyAddsPerSecond[arithmetic] }

  // MARK: - Loops

  private static func rate(_ loop: ck_limit_loop, _ pool: WorkerPool) -> Double {
    let tasks = pool.threadCount * tasksPerThread
    func run(rounds: Int64) -> Double {
      seconds { pool.run(tasks: tasks, LoopWork(loop: loop, rounds: rounds)) }
    }
    // Wakes the threads, and shows how much a task can be where instructions are slow.
    let first = max(1, firstMultiplyAdds / loop.round)
    let trial = min(run(rounds: first), run(rounds: first))
    let rounds = max(1, Int64(Double(first) * (lookSeconds / max(trial, 1e-7))))
    let work = Double(rounds) * Double(loop.round) * Double(tasks)
    return bestRate { work / run(rounds: rounds) }
  }

  private static func readRate(
    _ read: @convention(c) (UnsafePointer<UInt8>?, Int64) -> UInt64, bytes: Int,
    _ pool: WorkerPool
  ) throws(PlatformError) -> Double {
    let memory = try AnonymousMemory(count: bytes)
    let tasks = pool.threadCount * tasksPerThread
    // Pages that nobody has written to are all the same one.
    pool.run(tasks: tasks, FillWork(memory: memory, tasks: tasks))
    // A look is all of it: shorter ones would find what the caches still hold, or a burst.
    let work = unsafe ReadWork(memory: memory, tasks: tasks, read: read)
    return bestRate { Double(bytes) / seconds { pool.run(tasks: tasks, work) } }
  }

  /// The best of many looks.
  private static func bestRate(_ look: () -> Double) -> Double {
    let start = MonotonicClock.nanoseconds
    var (best, number) = (0.0, 0)
    while Double(MonotonicClock.nanoseconds - start) < seconds * 1e9 || number < 3 {
      best = max(best, look())
      number += 1
    }
    return best
  }

  private static func seconds(_ work: () -> Void) -> Double {
    let start = MonotonicClock.nanoseconds
    work()
    return Double(max(1, MonotonicClock.nanoseconds - start)) / 1e9
  }

  @safe
  private struct LoopWork: ParallelWork, @unchecked Sendable {
    // Unchecked: points to a function without state.
    let loop: ck_limit_loop
    let rounds: Int64

    func perform(task: Int) { _ = loop.run(rounds) }
  }

  private struct FillWork: ParallelWork {
    let memory: AnonymousMemory
    let tasks: Int

    func perform(task: Int) {
      let part = unsafe Backend.share(
        of: memory.bytes.count, task: task, of: tasks, granule: granule)
      for index in stride(from: part.lowerBound, to: part.upperBound, by: granule) {
        unsafe memory.bytes[index] = 1
      }
    }
  }

  @safe
  private struct ReadWork: ParallelWork, @unchecked Sendable {
    // Unchecked: points to a function without state; nobody writes to the memory any more.
    let memory: AnonymousMemory
    let tasks: Int
    let read: @convention(c) (UnsafePointer<UInt8>?, Int64) -> UInt64

    func perform(task: Int) {
      let part = unsafe Backend.share(
        of: memory.bytes.count, task: task, of: tasks, granule: granule)
      let start = unsafe memory.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      _ = unsafe read(start.map { unsafe UnsafePointer($0) + part.lowerBound }, Int64(part.count))
    }
  }
}
