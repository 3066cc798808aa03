// Drafts that are right by chance, for measuring what speculation costs and brings at a given
// acceptance. Only a bench makes one: nothing that a request says can.

/// Decides by a seeded coin whether a draft counts as what the model samples. All work stays: the
/// model drafts, verifies and samples as ever; a draft that is said to be right then takes the
/// sampled token's place.
public struct AcceptanceCoin: Sendable, Equatable {
  /// The chance of each draft, from 0 to 1, whatever became of the others.
  public let probability: Double
  private let seed: UInt64

  /// Every seed gives one fixed sequence of throws for each sequence of tokens.
  public init(probability: Double, seed: UInt64) {
    precondition((0...1).contains(probability), "a chance is from 0 to 1")
    self.probability = probability
    self.seed = seed
  }

  /// Whether the draft at a position of a sequence is right.
  func accepts(_ sequence: SequenceID, position: Int) -> Bool {
    let place = UInt64(truncatingIfNeeded: sequence.rawValue) << 40 ^ UInt64(position)
    let word = Self.mix(Self.mix(seed) ^ Self.mix(place &+ 0x9E37_79B9_7F4A_7C15))
    return Double(word >> 11) * 0x1p-53 < probability
  }

  /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
