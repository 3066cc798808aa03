// Drafts that are right by chance, for measuring what speculation costs and brings at a given
// acceptance. Only a bench makes one: nothing that a request says can.

import Platform

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
    var place = SplitMix(
      seed: UInt64(truncatingIfNeeded: sequence.rawValue) << 40 ^ UInt64(position))
    var generator = SplitMix(seed: seed ^ place.next())
    return Double(generator.next() >> 11) * 0x1p-53 < probability
  }
}
