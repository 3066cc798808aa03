// Latencies as counts by size (HdrHistogram): any number of them in little memory.

import Histogram

/// Latencies to a microsecond or three digits, whichever is coarser.
struct LatencyHistogram: Sendable {
  private var histogram: Histogram<UInt64>

  /// - Parameter digits: significant decimal digits that are kept.
  init(digits: SignificantDigits = .three) {
    histogram = Histogram(numberOfSignificantValueDigits: digits)
  }

  var count: Int { Int(histogram.totalCount) }
  var isEmpty: Bool { histogram.totalCount == 0 }

  mutating func record(nanoseconds: UInt64) { histogram.record(nanoseconds / 1_000) }

  mutating func add(_ other: LatencyHistogram) { histogram.add(other.histogram) }

  /// Milliseconds that a share of the latencies, in percent, does not exceed; 0 when there are none.
  func percentile(_ percent: Double) -> Double {
    // A class of like values is named by its largest, which may exceed all that were recorded.
    Double(min(histogram.valueAtPercentile(percent), histogram.maxRecorded)) / 1_000
  }

  /// Milliseconds.
  var maximum: Double { Double(histogram.maxRecorded) / 1_000 }
  var mean: Double { isEmpty ? 0 : histogram.mean / 1_000 }

  /// How many latencies lie above one bound, up to and including the next, in milliseconds.
  func counts(bounds: [Double]) -> [Int] {
    var counts = Array(repeating: 0, count: max(bounds.count - 1, 0))
    var index = 0
    for value in histogram.recordedValues() {
      let milliseconds = Double(value.value) / 1_000
      while index + 1 < counts.count, milliseconds > bounds[index + 1] { index += 1 }
      if index < counts.count { counts[index] += Int(value.count) }
    }
    return counts
  }
}

/// What a report says of one kind of latency, in milliseconds.
struct LatencySummary: Sendable, Equatable {
  let count: Int
  let mean: Double
  let p50: Double
  let p90: Double
  let p99: Double
  let maximum: Double

  init(_ histogram: LatencyHistogram) {
    count = histogram.count
    mean = histogram.mean
    p50 = histogram.percentile(50)
    p90 = histogram.percentile(90)
    p99 = histogram.percentile(99)
    maximum = histogram.maximum
  }
}
