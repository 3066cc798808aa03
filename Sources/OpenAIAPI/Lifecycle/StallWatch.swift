// When a stalled engine is to be looked into: once for each stall. Pure.

/// Judges the age of the engine's running step.
public struct StallWatch: Sendable {
  private let limit: Double
  private var isStalled = false

  /// - Parameter limit: seconds that a step may last.
  public init(limit: Double = APILimits.stepSeconds) { self.limit = limit }

  /// Whether a stall has just begun.
  /// - Parameter age: seconds since the running step began; nil when there is none.
  public mutating func observe(age: Double?) -> Bool {
    let wasStalled = isStalled
    isStalled = age ?? 0 > limit
    return isStalled && !wasStalled
  }
}
