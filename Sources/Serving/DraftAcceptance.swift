// How often drafts turn out right, by position.

/// Observed acceptance of drafts: of one sequence, or of all of them together.
///
/// Position i counts only where the drafts before it were right, so that the chance of n drafts in
/// a row is the product of the first n.
struct DraftAcceptance {
  /// Share of right drafts, over the last observations.
  private var share = SIMD8<Double>(repeating: 0)
  private var observations = SIMD8<Double>(repeating: 0)

  /// How many observations the running mean remembers.
  private static let memory = 32.0
  /// What the drafts of a new engine are believed to be worth; for a sequence, what all sequences
  /// have shown is.
  private static let prior = 0.6
  private static let priorWeight = 4.0

  /// Records that `accepted` of `drafted` drafts in a row were right.
  mutating func record(drafted: Int, accepted: Int, memory: Double = memory) {
    for position in 0..<min(drafted, accepted + 1) {
      let weight = 1 / (min(observations[position], memory) + 1)
      share[position] += weight * ((position < accepted ? 1 : 0) - share[position])
      observations[position] = min(observations[position] + 1, memory)
    }
  }

  /// The chance that the draft at `position` is right when those before it were.
  /// - Parameter all: what is known of all sequences; nil for that record itself.
  func chance(_ position: Int, among all: DraftAcceptance? = nil) -> Double {
    let prior = all?.chance(position) ?? Self.prior
    let count = observations[position]
    return (share[position] * count + prior * Self.priorWeight) / (count + Self.priorWeight)
  }
}
