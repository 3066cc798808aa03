// Latencies as counts by size (HdrHistogram): any number of them in little memory.

import Histogram

/// Latencies to a microsecond or three digits, whichever is coarser.
package struct LatencyHistogram: Sendable {
  private var histogram: Histogram<UInt64>

  /// Keeps three digits.
  package init() { self.init(digits: .three) }

  /// - Parameter digits: significant decimal digits that are kept.
  init(digits: SignificantDigits) {
    histogram = Histogram(numberOfSignificantValueDigits: digits)
  }

  package var count: Int { Int(histogram.totalCount) }
  var isEmpty: Bool { histogram.totalCount == 0 }

  package mutating func record(nanoseconds: UInt64) { histogram.record(nanoseconds / 1_000) }

  package mutating func add(_ other: LatencyHistogram) { histogram.add(other.histogram) }

  /// Milliseconds that a share of the latencies, in percent, does not exceed; 0 without any.
  package func percentile(_ percent: Double) -> Double {
    // A class of like values is named by its largest, which may exceed all that were recorded.
    Double(min(histogram.valueAtPercentile(percent), histogram.maxRecorded)) / 1_000
  }

  /// Milliseconds.
  package var maximum: Double { Double(histogram.maxRecorded) / 1_000 }
  var minimum: Double { isEmpty ? 0 : Double(histogram.min) / 1_000 }
  package var mean: Double { isEmpty ? 0 : histogram.mean / 1_000 }

  /// How many latencies lie above one bound, up to and including the next, in milliseconds.
  package func counts(bounds: [Double]) -> [Int] {
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
package struct LatencySummary: Sendable, Equatable {
  package let count: Int
  package let mean: Double
  package let p50: Double
  package let p90: Double
  package let p99: Double
  package let maximum: Double

  init(_ histogram: LatencyHistogram) {
    count = histogram.count
    mean = histogram.mean
    p50 = histogram.percentile(50)
    p90 = histogram.percentile(90)
    p99 = histogram.percentile(99)
    maximum = histogram.maximum
  }
}
