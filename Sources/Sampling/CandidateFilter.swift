// top_k, top_p and min_p: which tokens may be drawn at all.

import Glibc

/// Tokens that survive the filters, in no particular order, with their logits over temperature.
struct CandidateFilter {
  let parameters: SamplingParameters

  /// - Parameter logits: adjusted logits divided by the temperature, for the whole vocabulary.
  /// - Returns: the tokens kept; nil keeps all of them. Equal logits rank by token id.
  func keep(_ logits: [Float]) -> [Int]? {
    let (topK, topP, minP) = (parameters.topK, parameters.topP, parameters.minP)
    let limitsCount = topK > 0 && topK < logits.count
    guard limitsCount || topP < 1 || minP > 0 else { return nil }
    let highest = logits.max() ?? 0
    let floor = minP > 0 ? highest + Float(log(minP)) : -.infinity
    var ranked: [Int]?
    if limitsCount {
      ranked = Array(Self.largest(topK, of: logits).prefix { logits[$0] >= floor })
    }
    if topP < 1 { ranked = nucleus(logits, among: ranked, floor: floor, highest: highest) }
    if let ranked, !ranked.isEmpty { return ranked }
    let all = logits.indices.filter { logits[$0] >= floor }
    return all.isEmpty ? [Self.largest(1, of: logits)[0]] : all
  }

  /// The smallest set of most likely tokens whose share of the mass reaches top_p. When `ranked` is
  /// nil all tokens at or above `floor` take part; they are ranked in layers from the top, so that
  /// only the head of a large vocabulary is sorted.
  private func nucleus(
    _ logits: [Float], among ranked: [Int]?, floor: Float, highest: Float
  ) -> [Int] {
    func mass(_ token: Int) -> Double { exp(Double(logits[token] - highest)) }
    if let ranked {
      return Self.head(
        of: ranked, reaching: parameters.topP * ranked.reduce(0) { $0 + mass($1) }, mass)
    }
    let total = logits.reduce(0.0) { $0 + ($1 >= floor ? exp(Double($1 - highest)) : 0) }
    var depth: Float = 8
    while true {
      let lowest = max(highest - depth, floor)
      let layer = logits.indices.filter { logits[$0] >= lowest }
      let covered = layer.reduce(0) { $0 + mass($1) }
      if covered >= parameters.topP * total || lowest == floor || depth > 1000 {
        let sorted = layer.sorted { (logits[$0], $1) > (logits[$1], $0) }
        return Self.head(of: sorted, reaching: parameters.topP * total, mass)
      }
      depth *= 2
    }
  }

  private static func head(
    of ranked: [Int], reaching target: Double, _ mass: (Int) -> Double
  ) -> [Int] {
    var covered = 0.0
    for (index, token) in ranked.enumerated() {
      covered += mass(token)
      if covered >= target { return Array(ranked[...index]) }
    }
    return ranked
  }

  /// The `count` largest values' indices, largest first, equal ones by index: a bounded min-heap.
  static func largest(_ count: Int, of values: [Float]) -> [Int] {
    func ranksBelow(_ a: Int, _ b: Int) -> Bool {
      values[a] < values[b] || (values[a] == values[b] && a > b)
    }
    var heap: [Int] = []
    heap.reserveCapacity(count)
    for index in values.indices {
      if heap.count < count {
        heap.append(index)
        siftUp(&heap, ranksBelow)
      } else if ranksBelow(heap[0], index) {
        heap[0] = index
        siftDown(&heap, ranksBelow)
      }
    }
    return heap.sorted { ranksBelow($1, $0) }
  }

  private static func siftUp(_ heap: inout [Int], _ ranksBelow: (Int, Int) -> Bool) {
    var child = heap.count - 1
    while child > 0, ranksBelow(heap[child], heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private static func siftDown(_ heap: inout [Int], _ ranksBelow: (Int, Int) -> Bool) {
    var parent = 0
    while true {
      var least = parent
      let children = min(2 * parent + 1, heap.count)..<min(2 * parent + 3, heap.count)
      for child in children where ranksBelow(heap[child], heap[least]) { least = child }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
