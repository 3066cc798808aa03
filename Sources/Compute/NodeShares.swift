// How threads, and what they read, are shared out over the memory nodes of a machine.
//
// Each node has neighbouring threads, as many as its share of the processors. What a matrix gives
// to do is cut by the same proportions, so that a node's threads find their part of every matrix
// in their own memory, if they were the ones that touched it first.

import Platform

/// The nodes that have threads, by number.
public struct NodeShares: Sendable, Equatable {
  /// First thread of each node, then the number of threads.
  private let bounds: [Int]
  /// The processors of each node's threads; empty for any.
  let processors: [[Int]]

  /// All threads on one node.
  public static let single = NodeShares(threads: 1, memory: .single)

  /// A node with few processors may get no thread, and is left out.
  public init(threads: Int, memory: MemoryNodes) {
    let total = max(memory.processors.reduce(0) { $0 + $1.count }, 1)
    var (bounds, processors, sum) = ([0], [[Int]](), 0)
    for node in memory.processors {
      sum += node.count
      let bound = threads * sum / total
      guard bound > bounds.last! else { continue }
      bounds.append(bound)
      processors.append(node)
    }
    let isSeveral = processors.count > 1
    self.bounds = isSeveral ? bounds : [0, threads]
    self.processors = isSeveral ? processors : [[]]
  }

  /// How many nodes have threads.
  public var count: Int { bounds.count - 1 }

  /// Threads of all nodes.
  public var threadCount: Int { bounds[count] }

  /// The threads of a node.
  public func threads(of node: Int) -> Range<Int> { bounds[node]..<bounds[node + 1] }

  /// Keeps the calling thread, which is thread number `thread`, on its node's processors.
  func settle(thread: Int) {
    let own = processors[part(of: threadCount, containing: thread).node]
    if !own.isEmpty { Thread.stay(on: own) }
  }

  /// The part of `0 ..< total` that belongs to a node.
  public func part(of total: Int, node: Int) -> Range<Int> {
    total * bounds[node] / threadCount..<total * bounds[node + 1] / threadCount
  }

  /// The node that has number `index` of `total`, and its part.
  public func part(of total: Int, containing index: Int) -> (node: Int, part: Range<Int>) {
    for node in 0..<count {
      let part = part(of: total, node: node)
      if part.contains(index) { return (node, part) }
    }
    preconditionFailure("index out of bounds")
  }
}
