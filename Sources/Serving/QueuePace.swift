// When a full queue has room again, judged by how its places became free lately. Pure: time is
// given.

/// Watches the moments at which waiting sequences leave the queue, admitted or given up.
package struct QueuePace {
  /// The weight of what came before the latest interval: about sixteen count.
  private static let memory = 15.0 / 16

  /// Sums over the intervals between such moments, each step less of the older ones. Time in which
  /// nobody waited is no part of them.
  private var seconds = 0.0
  private var count = 0.0
  /// Since when the next place is awaited; nil while nobody waits.
  private var since: UInt64?
  /// Refused since somebody was last taken.
  private var refusals = 0

  package init() {}

  /// A sequence was taken into the queue, where it waits.
  package mutating func take(at time: UInt64) {
    since = since ?? time
    refusals = 0
  }

  /// A sequence has left the queue, in which so many others remain.
  package mutating func leave(at time: UInt64, remaining: Int) {
    if let since {
      seconds = seconds * Self.memory + Self.span(since, time)
      count = count * Self.memory + 1
    }
    since = remaining > 0 ? time : nil
  }

  /// A sequence is refused because the queue is full. Those who were refused and those who will be
  /// want the same places, so each is told when there should be one more than for the last.
  /// - Returns: whole seconds after which there should be room for it, within
  ///   `EngineLimits.retrySeconds`.
  package mutating func refuse(at time: UInt64) -> Int {
    refusals += 1
    let mean = count > 0 ? seconds / count : 0
    // A place that is overdue says more than those before it.
    let overdue = since.map { Self.span($0, time) } ?? 0
    let wait = max(mean, overdue) * Double(refusals)
    let bounds = EngineLimits.retrySeconds
    guard wait < Double(bounds.upperBound) else { return bounds.upperBound }
    return max(Int(wait.rounded(.up)), bounds.lowerBound)
  }

  private static func span(_ start: UInt64, _ end: UInt64) -> Double {
    end > start ? Double(end - start) / 1e9 : 0
  }
}
