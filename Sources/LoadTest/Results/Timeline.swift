// What happened when: a bounded number of points of equal width, which doubles as a run goes on.

import Histogram

/// What happened in one stretch of the run.
struct TimelinePoint: Sendable {
  var started = 0
  var succeeded = 0
  var refused = 0
  var failed = 0
  /// Tokens of answers, at the time they came.
  var outputTokens = 0.0
  /// By the time of the first token.
  var timeToFirstToken = LatencyHistogram(digits: .two)
  /// By the time of the answer's end.
  var interToken = LatencyHistogram(digits: .two)
  var endToEnd = LatencyHistogram(digits: .two)

  mutating func add(_ other: TimelinePoint) {
    started += other.started
    succeeded += other.succeeded
    refused += other.refused
    failed += other.failed
    outputTokens += other.outputTokens
    timeToFirstToken.add(other.timeToFirstToken)
    interToken.add(other.interToken)
    endToEnd.add(other.endToEnd)
  }
}

struct Timeline: Sendable {
  /// Nanoseconds of a point.
  private(set) var width: UInt64
  private(set) var points: [TimelinePoint] = []

  /// The finest width, in nanoseconds.
  static let firstWidth: UInt64 = 250_000_000

  init(width: UInt64 = Timeline.firstWidth) { self.width = width }

  /// Changes the point at a time, in nanoseconds since the beginning.
  mutating func at(_ time: UInt64, _ change: (inout TimelinePoint) -> Void) {
    while time / width >= LoadLimits.timelinePoints { halve() }
    let index = Int(time / width)
    while points.count <= index { points.append(TimelinePoint()) }
    change(&points[index])
  }

  /// Makes one point of every two.
  private mutating func halve() {
    width *= 2
    points = stride(from: 0, to: points.count, by: 2).map { index in
      var point = points[index]
      if index + 1 < points.count { point.add(points[index + 1]) }
      return point
    }
  }
}
