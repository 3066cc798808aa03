// Token buckets: so much a minute, in bursts of up to a minute's worth. Pure, in whole numbers, so
// that a time to wait is neither too short nor a nanosecond too long.

/// Fills by its capacity in a minute, up to its capacity. May be taken from beyond what it holds:
/// what was used cannot be refused afterwards, and is filled up first.
package struct TokenBucket: Equatable {
  /// What it holds when full, and what flows in per minute.
  package private(set) var capacity: Int
  /// In parts of 1 / `minute`, so that each nanosecond brings `capacity` of them.
  private var level: Int128
  /// When the level was this, in nanoseconds of a monotonic clock.
  private var time: UInt64

  private static let minute: Int128 = 60_000_000_000

  /// A full bucket.
  package init(capacity: Int, now: UInt64) {
    precondition(capacity > 0, "an empty bucket never fills")
    self.capacity = capacity
    level = Int128(capacity) * Self.minute
    time = now
  }

  private var fullLevel: Int128 { Int128(capacity) * Self.minute }

  /// Lets flow in what came until `now`.
  package mutating func refill(_ now: UInt64) {
    guard now > time else { return }
    level = min(fullLevel, level + Int128(now - time) * Int128(capacity))
    time = now
  }

  /// Keeps what it holds, as far as it fits.
  package mutating func resize(_ capacity: Int) {
    precondition(capacity > 0, "an empty bucket never fills")
    self.capacity = capacity
    level = min(level, fullLevel)
  }

  package var isFull: Bool { level == fullLevel }

  /// Whole units that it holds.
  package var remaining: Int { max(0, Int(level / Self.minute)) }

  /// Nanoseconds until it holds `amount`, or is full where that is more than it ever holds: a large
  /// request may go when nobody else has taken anything lately.
  package func wait(for amount: Int) -> UInt64 {
    let missing = min(Int128(amount) * Self.minute, fullLevel) - level
    guard missing > 0 else { return 0 }
    return UInt64(clamping: (missing + Int128(capacity) - 1) / Int128(capacity))
  }

  /// Nanoseconds until it is full.
  package var waitUntilFull: UInt64 { wait(for: capacity) }

  /// Takes out `amount`, or puts back what is negative.
  package mutating func take(_ amount: Int) {
    level = min(fullLevel, level - Int128(amount) * Self.minute)
  }
}
