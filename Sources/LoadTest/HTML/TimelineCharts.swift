// Which charts over time a report has.

/// The charts of a run of so many seconds.
struct TimelineCharts {
  private let points: [TimelinePoint]
  private let interval: Double
  private let seconds: Double

  init(_ timeline: Timeline, seconds: Double) {
    points = timeline.points
    interval = Double(timeline.width) / 1e9
    self.seconds = seconds
  }

  /// Those that have something to show.
  var all: [String] {
    [
      chart("Output tokens", "per second", [line("output", rates(\.outputTokens))]).lines,
      chart(
        "Answers", "per second",
        [
          TimeChart.Series(name: "whole", kind: "good", values: rates { Double($0.succeeded) }),
          TimeChart.Series(
            name: "refused (429, 503)", kind: "refused", values: rates { Double($0.refused) }),
          TimeChart.Series(name: "errors", kind: "failed", values: rates { Double($0.failed) }),
        ]
      ).columns,
      chart("Time to first token", "ms", percentiles(\.timeToFirstToken)).lines,
      chart("Time per output token", "ms", percentiles(\.interToken)).lines,
      chart("End to end", "ms", percentiles(\.endToEnd)).lines,
      chart("Requests sent", "per second", [line("sent", rates { Double($0.started) })]).lines,
    ].compactMap { $0 }
  }

  private func chart(_ title: String, _ unit: String, _ series: [TimeChart.Series]) -> TimeChart {
    TimeChart(title: title, unit: unit, interval: interval, seconds: seconds, series: series)
  }

  private func line(_ name: String, _ values: [Double?]) -> TimeChart.Series {
    TimeChart.Series(name: name, kind: "p50", values: values)
  }

  /// A count as a rate; the last point may be cut short by the end of the run.
  private func rates(_ value: (TimelinePoint) -> Double) -> [Double?] {
    points.enumerated().map { index, point in
      let rest = seconds - Double(index) * interval
      return value(point) / min(interval, max(rest, interval / 4))
    }
  }

  private func percentiles(_ value: (TimelinePoint) -> LatencyHistogram) -> [TimeChart.Series] {
    [("p50", 50.0), ("p99", 99)].map { name, percent in
      TimeChart.Series(
        name: name, kind: name,
        values: points.map { point in
          let histogram = value(point)
          return histogram.isEmpty ? nil : histogram.percentile(percent)
        })
    }
  }
}
