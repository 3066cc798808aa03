// The worker pool runs each task once, and work is shared out completely.

import Compute
import Glibc
import Platform
import Synchronization
import TestSupport
import Testing

/// An atomic that an escaping closure can hold.
private final class Counter: Sendable {
  let value = Atomic<Int>(0)
}

/// A closure as work.
struct ClosureWork: ParallelWork {
  let body: @Sendable (Int) -> Void

  func perform(task: Int) { body(task) }
}

@Suite("Worker pool")
struct WorkerPoolTests {
  @Test("runs each task exactly once, many operations in a row", arguments: [1, 2, 5])
  func everyTaskOnce(threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    for tasks in [0, 1, 2, 3, 64] + Array(repeating: 7, count: 2000) {
      let sum = Counter()
      pool.run(tasks: tasks, ClosureWork { sum.value.add(1 << $0, ordering: .relaxed) })
      #expect(sum.value.load(ordering: .relaxed) == (tasks == 64 ? -1 : (1 << tasks) - 1))
    }
  }

  @Test("a pool that slept wakes up: its tasks need all threads at once")
  func sleep() throws {
    let pool = try WorkerPool(threadCount: 3)
    for _ in 0..<5 {
      // Far longer than a worker spins before it sleeps.
      usleep(20_000)
      let arrived = Counter()
      pool.run(
        tasks: 3,
        ClosureWork { _ in
          arrived.value.add(1, ordering: .sequentiallyConsistent)
          while arrived.value.load(ordering: .sequentiallyConsistent) < 3 { Thread.yield() }
        })
      #expect(arrived.value.load(ordering: .relaxed) == 3)
    }
  }

  @Test("the time that threads slept never becomes less, whenever somebody asks")
  func sleepIsATotal() throws {
    let pool = try WorkerPool(threadCount: 2)
    let (falls, isOver) = (Counter(), Counter())
    let asking = try Thread {
      var last = 0.0
      while isOver.value.load(ordering: .relaxed) == 0 {
        let seconds = pool.statistics.sleepSeconds
        if seconds < last { falls.value.add(1, ordering: .relaxed) }
        last = seconds
      }
    }
    for sleeps in 1...50 {
      while pool.statistics.sleepWaits < sleeps { Thread.yield() }
      pool.run(tasks: 2, ClosureWork { _ in })
    }
    isOver.value.store(1, ordering: .relaxed)
    asking.join()
    #expect(falls.value.load(ordering: .relaxed) == 0)
    #expect(pool.statistics.sleepSeconds > 0)
  }

  @Test("a pool ends when it is dropped, asleep or not")
  func stop() throws {
    for round in 0..<20 {
      let pool = try WorkerPool(threadCount: 3)
      let sum = Counter()
      pool.run(tasks: 3, ClosureWork { _ in sum.value.add(1, ordering: .relaxed) })
      #expect(sum.value.load(ordering: .relaxed) == 3)
      if round.isMultiple(of: 5) { usleep(5_000) }
    }
  }

  @Test("shares cover a range without overlap, on granules")
  func shares() {
    for count in [1, 7, 8, 9, 64, 100] {
      for tasks in 1...5 {
        let parts = (0..<tasks).map { Backend.share(of: count, task: $0, of: tasks, granule: 8) }
        #expect(parts.flatMap { Array($0) } == Array(0..<count))
        for part in parts.dropLast() {
          #expect(part.upperBound % 8 == 0 || part.upperBound == count)
        }
      }
    }
  }

  @Test("a product has the same bits with any number of threads")
  func sameBits() throws {
    var g = SeededGenerator(seed: 7)
    let w = try RandomWeights(.q4_K, rows: 3000, columns: 256, using: &g).packed()
    let arena = ScratchArena()
    let x = arena.rows(5, width: 256)
    for row in 0..<5 {
      x.withMutableRow(row) { span in
        for index in span.indices { span[index] = Float.random(in: -1...1, using: &g) }
      }
    }
    let results = try [1, 2, 3].map { threads in
      let y = arena.rows(5, width: 3000)
      let backend = Backend(kernels: .fastest, pool: try WorkerPool(threadCount: threads))
      backend.linear(w, x, using: EncodingBuffer(arena, count: 5, width: 256), into: y)
      return (0..<5).map { y.withRow($0) { row in row.indices.map { row[$0].bitPattern } } }
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }
}
