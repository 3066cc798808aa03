// When the requests of an open loop are due: a pure function of rate, kind and seed.

import Glibc
import Platform

/// How the requests of an open loop follow each other.
public enum ArrivalKind: String, Sendable, CaseIterable {
  /// Independent of each other, as those of many users are: gaps are exponential.
  case poisson
  /// Evenly spaced.
  case fixed
}

/// The endless sequence of due times.
package struct ArrivalSchedule {
  private let kind: ArrivalKind
  private let rate: Double
  private var random: SplitMix
  private var count = 0
  private var seconds = 0.0

  /// - Parameter rate: requests per second.
  package init(kind: ArrivalKind, rate: Double, seed: UInt64) {
    precondition(rate > 0)
    self.kind = kind
    self.rate = rate
    random = SplitMix(seed: seed, stream: 1)
  }

  /// Nanoseconds from the beginning to the next request; never less than the one before.
  package mutating func next() -> UInt64 {
    switch kind {
    case .fixed:
      // Not a sum, whose rounding would add up.
      seconds = Double(count) / rate
    case .poisson: seconds -= log(random.unit()) / rate
    }
    count += 1
    return UInt64(min(seconds * 1e9, 1e18))
  }
}
