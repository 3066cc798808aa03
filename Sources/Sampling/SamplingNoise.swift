// Randomness as a pure function of (seed, choice, position, token).
//
// A token is drawn as the one with the largest logit + Gumbel noise (Gumbel, 1954; Maddison et al.,
// 2014), which samples exactly from the softmax. Because each candidate's noise depends on nothing
// but these four numbers, neither the batch nor speculation can change what is drawn.

import Glibc

/// The noise of one position of one choice of a request.
struct SamplingNoise {
  private let stream: UInt64

  init(seed: UInt64, choice: Int, position: Int) {
    let place = UInt64(truncatingIfNeeded: choice) << 40 ^ UInt64(truncatingIfNeeded: position)
    stream = Self.mix(Self.mix(seed) ^ Self.mix(place &+ 0x9E37_79B9_7F4A_7C15))
  }

  /// A uniform 64-bit word per token.
  private func word(_ token: Int) -> UInt64 {
    Self.mix(stream &+ UInt64(truncatingIfNeeded: token) &* 0xD134_2543_DE82_EF95)
  }

  /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection without visible
  /// pattern.
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Gumbel noise of a token: -ln E, with E = -ln(1 - v) exponential and v uniform in (0, 1).
  func gumbel(_ token: Int) -> Double {
    let v = (Double(word(token) >> 11) + 0.5) * 0x1p-53
    return -log(-log1p(-v))
  }

  /// A bound that is cheap to compute and never below `gumbel`: E >= v, and v >= 2^-(z + 1) for a
  /// word with z leading zeros.
  func gumbelBound(_ token: Int) -> Double {
    Double(min(word(token).leadingZeroBitCount, 53) + 1) * 0.693147180559946
  }
}
