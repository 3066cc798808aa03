// What happened when: a bounded number of points of equal width, which doubles as a run goes on.

import Histogram

/// What happened in one stretch of the run.
package struct TimelinePoint: Sendable {
  package var started = 0
  package var succeeded = 0
  package var refused = 0
  package var failed = 0
  /// Tokens of answers, at the time they came.
  package var outputTokens = 0.0
  /// By the time of the first token.
  package var timeToFirstToken = LatencyHistogram(digits: .two)
  /// By the time of the answer's end.
  package var interToken = LatencyHistogram(digits: .two)
  package var endToEnd = LatencyHistogram(digits: .two)

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

package struct Timeline: Sendable {
  /// Nanoseconds of a point.
  package private(set) var width: UInt64
  package private(set) var points: [TimelinePoint] = []

  /// The finest width, in nanoseconds.
  package static let firstWidth: UInt64 = 250_000_000

  package init(width: UInt64 = Timeline.firstWidth) { self.width = width }

  /// Changes the point at a time, in nanoseconds since the beginning.
  package mutating func at(_ time: UInt64, _ change: (inout TimelinePoint) -> Void) {
    while time / width >= LoadLimits.timelinePoints { halve() }
    let index = Int(time / width)
    while points.count <= index { points.append(TimelinePoint()) }
    change(&points[index])
  }

  /// With so few points that most hold several answers, for charts of more than noise.
  package func coarsened() -> Timeline {
    var timeline = self
    while timeline.points.count > Self.fewPoints,
      timeline.points.reduce(0, { $0 + $1.succeeded }) < timeline.points.count * Self.answers
    {
      timeline.halve()
    }
    return timeline
  }

  /// Points that are not too many whatever they hold, and answers of a point that are enough.
  private static let fewPoints = 16
  private static let answers = 5

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
