// Tokens in the order of their logits, equal ones by id, without memory of its own: a min-heap that
// lives in the array it orders.

/// The order of tokens by logit.
struct TokenRanking {
  let logits: [Float]

  /// The `count` largest logits' tokens, largest first, in place of what `tokens` held.
  func takeLargest(_ count: Int, into tokens: inout [Int32]) {
    tokens.removeAll(keepingCapacity: true)
    for token in 0..<Int32(logits.count) {
      if tokens.count < count {
        tokens.append(token)
        if tokens.count == count { heapify(&tokens) }
      } else if ranksBelow(tokens[0], token) {
        tokens[0] = token
        siftDown(&tokens, from: 0, end: count)
      }
    }
    if tokens.count < count { heapify(&tokens) }
    sortHeap(&tokens)
  }

  /// Largest first.
  func sort(_ tokens: inout [Int32]) {
    heapify(&tokens)
    sortHeap(&tokens)
  }

  private func ranksBelow(_ a: Int32, _ b: Int32) -> Bool {
    let (x, y) = (logits[Int(a)], logits[Int(b)])
    return x < y || (x == y && a > b)
  }

  private func heapify(_ tokens: inout [Int32]) {
    for parent in stride(from: tokens.count / 2 - 1, through: 0, by: -1) {
      siftDown(&tokens, from: parent, end: tokens.count)
    }
  }

  /// The least goes behind the rest of the heap, again and again.
  private func sortHeap(_ tokens: inout [Int32]) {
    for end in stride(from: tokens.count - 1, to: 0, by: -1) {
      tokens.swapAt(0, end)
      siftDown(&tokens, from: 0, end: end)
    }
  }

  private func siftDown(_ tokens: inout [Int32], from start: Int, end: Int) {
    var parent = start
    while true {
      var least = parent
      for child in 2 * parent + 1..<2 * parent + 3
      where child < end && ranksBelow(tokens[child], tokens[least]) {
        least = child
      }
      if least == parent { return }
      tokens.swapAt(parent, least)
      parent = least
    }
  }
}
