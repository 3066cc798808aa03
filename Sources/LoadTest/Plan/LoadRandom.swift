// Random numbers that a seed repeats.

/// SplitMix64 (Steele, Lea and Flood, 2014): each seed gives one fixed sequence.
package struct LoadRandom: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// A sequence of its own for a purpose or number under a common seed.
  package init(seed: UInt64, stream: UInt64) {
    var mixer = LoadRandom(seed: seed)
    state = mixer.next() ^ stream &* 0xD6E8_FEB8_6659_FD93
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Uniform in (0, 1]: its logarithm is finite.
  package mutating func unit() -> Double { Double((next() >> 11) + 1) / Double(1 << 53) }
}
