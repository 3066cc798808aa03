// How often drafts turn out right, by position.

/// Observed acceptance of drafts: of one sequence, or of all of them together.
///
/// Position i counts only where the drafts before it were right, so that the chance of n drafts in
/// a row is the product of the first n.
package struct DraftAcceptance {
  /// Share of right drafts, over the last observations.
  private var share = SIMD8<Double>(repeating: 0)
  private var observations = SIMD8<Double>(repeating: 0)

  /// What drafts are believed to be worth at first. Later a position is believed to be like the one
  /// before it, and a sequence to be like all.
  private static let prior = 0.6
  private static let priorWeight = 4.0
  /// The most likely of several sequences is likely to be overrated: each is believed to be much
  /// like all.
  private static let sequencePriorWeight = 16.0

  /// Nothing observed yet.
  package init() {}

  /// Records that `accepted` of `drafted` drafts in a row were right.
  /// - Parameter memory: how many observations the running mean remembers.
  package mutating func record(drafted: Int, accepted: Int, memory: Double = 32) {
    for position in 0..<min(drafted, accepted + 1) {
      let weight = 1 / (min(observations[position], memory) + 1)
      share[position] += weight * ((position < accepted ? 1 : 0) - share[position])
      observations[position] = min(observations[position] + 1, memory)
    }
  }

  /// Leading positions that were observed often enough to build on.
  package var knownDepth: Int {
    var depth = 0
    while depth < observations.scalarCount, observations[depth] >= Self.enough { depth += 1 }
    return depth
  }

  private static let enough = 16.0

  /// The chance that the draft at `position` is right when those before it were.
  /// - Parameter all: what is known of all sequences; nil for that record itself.
  package func chance(_ position: Int, among all: DraftAcceptance? = nil) -> Double {
    let prior = all?.chance(position) ?? (position > 0 ? chance(position - 1) : Self.prior)
    let weight = all == nil ? Self.priorWeight : Self.sequencePriorWeight
    let count = observations[position]
    return (share[position] * count + prior * weight) / (count + weight)
  }
}
