// Shares of memory nodes: what threads read lies where they touched it first.

import Compute
import Platform
import TestSupport
import Testing

@Suite("Node shares")
struct NodeShareTests {
  /// Nodes with so many processors each.
  private static func nodes(_ counts: [Int]) -> MemoryNodes {
    var first = 0
    return MemoryNodes(
      processors: counts.map { count in
        defer { first += count }
        return Array(first..<first + count)
      })
  }

  @Test(
    "threads go by processors, and nodes without threads are left out",
    arguments: [
      (64, [32, 32], [0..<32, 32..<64]), (2, [1, 1], [0..<1, 1..<2]), (6, [8, 4], [0..<4, 4..<6]),
      (3, [4, 4, 4, 4], [0..<1, 1..<2, 2..<3]), (1, [8, 8], [0..<1]), (5, [16], [0..<5]),
      (4, [1, 63], [0..<4]), (4, [], [0..<4]),
    ])
  func threads(count: Int, processors: [Int], expected: [Range<Int>]) {
    let shares = NodeShares(threads: count, memory: Self.nodes(processors))
    #expect((0..<shares.count).map { shares.threads(of: $0) } == expected)
  }

  @Test("parts cover everything in order, and a thread's tasks are of its node's part")
  func parts() {
    var g = SeededGenerator(seed: 11)
    for _ in 0..<200 {
      let memory = Self.nodes(
        (0..<Int.random(in: 1...5, using: &g)).map { _ in
          Int.random(in: 1...9, using: &g)
        })
      let threads = Int.random(in: 1...40, using: &g)
      let shares = NodeShares(threads: threads, memory: memory)
      let tasks = threads + Int.random(in: 0...100, using: &g)
      let parts = (0..<shares.count).map { shares.part(of: tasks, node: $0) }
      #expect(parts.flatMap { Array($0) } == Array(0..<tasks))
      for thread in 0..<threads {
        // The tasks that a thread of a pool begins with.
        for task in tasks * thread / threads..<tasks * (thread + 1) / threads {
          let (node, part) = shares.part(of: tasks, containing: task)
          #expect(part.contains(task) && shares.threads(of: node).contains(thread))
        }
      }
    }
  }

  @Test(
    "products are the same whatever the nodes", arguments: [[1, 1], [3, 1], [1, 1, 1], [2, 5]])
  func sameBits(processors: [Int]) throws {
    var g = SeededGenerator(seed: 12)
    let rows = [1999, 240]
    let weights = try rows.map {
      try RandomWeights(.q4_K, rows: $0, columns: 512, using: &g).packed()
    }
    let arena = ScratchArena()
    let x = arena.rows(3, width: 512)
    for row in 0..<3 {
      x.withMutableRow(row) { span in
        for index in span.indices { span[index] = Float.random(in: -1...1, using: &g) }
      }
    }
    func products(_ pool: WorkerPool) -> [UInt32] {
      let backend = Backend(kernels: .fastest, pool: pool)
      let input = backend.encode(
        x, for: .q4_K, in: EncodingBuffer(arena, count: 3, width: 512))
      let y = rows.map { arena.rows(3, width: $0) }
      backend.linear(Product(weights[0], input, into: y[0]), Product(weights[1], input, into: y[1]))
      return y.flatMap { rows in
        (0..<3).flatMap { rows.withRow($0) { row in row.indices.map { row[$0].bitPattern } } }
      }
    }
    let reference = products(try WorkerPool(threadCount: 1))
    for threads in [2, 3, 5] {
      // All on processors that exist, so that no thread is kept from running.
      let processors = processors.map { Array(repeating: 0, count: $0) }
      let pool = try WorkerPool(
        threadCount: threads, memory: MemoryNodes(processors: processors))
      #expect(products(pool) == reference, "\(threads) threads")
    }
  }
}
