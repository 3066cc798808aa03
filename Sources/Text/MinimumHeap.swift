// The priority queue of byte pair merging. Four children per node: half the levels of a binary
// heap, and the children of a node share a cache line, which is what popping from a large heap
// waits for.

struct MinimumHeap {
  private var items: [UInt64] = []

  mutating func removeAll() { items.removeAll(keepingCapacity: true) }

  mutating func push(_ item: UInt64) {
    items.append(item)
    Self.siftUp(item, from: items.count - 1, in: &items)
  }

  /// Removes and returns the smallest item.
  mutating func popMinimum() -> UInt64? {
    guard let last = items.popLast() else { return nil }
    guard let first = items.first else { return last }
    // The hole at the root moves down to a leaf; the last item, most often large, goes there.
    var hole = 0
    let count = items.count
    while true {
      let child = hole * 4 + 1
      guard child < count else { break }
      var smallest = child
      var value = items[child]
      for other in (child + 1)..<max(child + 1, min(child + 4, count)) where items[other] < value {
        smallest = other
        value = items[other]
      }
      items[hole] = value
      hole = smallest
    }
    Self.siftUp(last, from: hole, in: &items)
    return first
  }

  private static func siftUp(_ item: UInt64, from start: Int, in items: inout [UInt64]) {
    var index = start
    while index > 0 {
      let parent = (index - 1) / 4
      guard items[parent] > item else { break }
      items[index] = items[parent]
      index = parent
    }
    items[index] = item
  }
}
