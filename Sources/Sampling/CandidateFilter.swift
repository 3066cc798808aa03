// top_k, top_p and min_p: which tokens may be drawn at all.

import Glibc

/// Chooses the tokens that survive the filters. Keeps its memory from one position to the next.
struct CandidateFilter: Sendable {
  /// The tokens that the last call kept, in no particular order.
  private(set) var kept: [Int32] = []

  /// - Parameter logits: adjusted logits divided by the temperature, for the whole vocabulary.
  /// - Returns: false if all tokens are kept. Equal logits rank by token id.
  mutating func keep(_ logits: [Float], _ parameters: SamplingParameters) -> Bool {
    let limitsCount = parameters.topK > 0 && parameters.topK < logits.count
    let limitsMass = parameters.topP < 1
    guard limitsCount || limitsMass || parameters.minP > 0 else { return false }
    kept.reserveCapacity(logits.count)
    let highest = logits.max() ?? 0
    let floor = parameters.minP > 0 ? highest + Float(log(parameters.minP)) : -.infinity
    if limitsCount {
      TokenRanking(logits: logits).takeLargest(parameters.topK, into: &kept)
      cut(to: kept.firstIndex { !(logits[Int($0)] >= floor) } ?? kept.count)
    }
    if limitsMass {
      let mass = TokenMass(logits: logits, highest: highest)
      let total = limitsCount ? mass.sum(kept) : rankHead(mass, floor, parameters.topP)
      cut(to: mass.count(of: kept, reaching: parameters.topP * total))
    }
    if (limitsCount || limitsMass) && !kept.isEmpty { return true }
    take(logits, from: floor)
    if kept.isEmpty { TokenRanking(logits: logits).takeLargest(1, into: &kept) }
    return true
  }

  private mutating func cut(to count: Int) { kept.removeLast(kept.count - count) }

  /// All tokens with at least this logit, by id.
  private mutating func take(_ logits: [Float], from lowest: Float) {
    kept.removeAll(keepingCapacity: true)
    for token in logits.indices where logits[token] >= lowest { kept.append(Int32(token)) }
  }

  /// Ranks the most likely of the tokens at or above `floor`, in layers from the top until `share`
  /// of the mass is covered, so that only the head of a large vocabulary is sorted.
  /// - Returns: the mass of all tokens at or above `floor`.
  private mutating func rankHead(_ mass: TokenMass, _ floor: Float, _ share: Double) -> Double {
    let logits = mass.logits
    let total = logits.indices.reduce(0.0) { $0 + (logits[$1] >= floor ? mass[$1] : 0) }
    var depth: Float = 8
    while true {
      let lowest = max(mass.highest - depth, floor)
      take(logits, from: lowest)
      if lowest == floor || depth > 1000 || mass.sum(kept) >= share * total { break }
      depth *= 2
    }
    TokenRanking(logits: logits).sort(&kept)
    return total
  }
}

/// Unnormalised probabilities.
private struct TokenMass {
  let logits: [Float]
  let highest: Float

  subscript(token: Int) -> Double { exp(Double(logits[token] - highest)) }

  func sum(_ tokens: [Int32]) -> Double { tokens.reduce(0) { $0 + self[Int($1)] } }

  /// How many of the ranked tokens it takes to reach a mass; all if they do not.
  func count(of ranked: [Int32], reaching target: Double) -> Int {
    var covered = 0.0
    for index in ranked.indices {
      covered += self[Int(ranked[index])]
      if covered >= target { return index + 1 }
    }
    return ranked.count
  }
}
