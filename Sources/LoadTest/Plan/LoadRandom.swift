// Random numbers of a load test: what one purpose draws does not move what the others do.

import Platform

extension SplitMix {
  /// A sequence of its own for a purpose or number under a common seed.
  package init(seed: UInt64, stream: UInt64) {
    var mixer = SplitMix(seed: seed)
    self.init(seed: mixer.next() ^ stream &* 0xD6E8_FEB8_6659_FD93)
  }

  /// Uniform in (0, 1]: its logarithm is finite.
  package mutating func unit() -> Double { Double((next() >> 11) + 1) / Double(1 << 53) }
}
