// Distributions as Prometheus keeps them: counts of observations up to fixed bounds
// (prometheus.io/docs/concepts/metric_types).

/// Counts of observations by fixed upper bounds, and their sum. The counts lie in the value itself:
/// recording allocates nothing, and a copy that somebody reads costs the writer nothing.
public struct Histogram: Sendable, Equatable {
  /// The most bounds.
  public static let boundLimit = 24

  /// Upper bounds, rising; an observation equal to a bound is below it.
  public let bounds: [Double]
  /// Observations so far.
  public private(set) var count = 0
  /// Sum of all observations.
  public private(set) var sum = 0.0
  /// Observations between neighbouring bounds; those above the last bound are in `count` alone.
  private var counts = InlineArray<24, Int>(repeating: 0)

  /// - Parameter bounds: at most `boundLimit`, each above the one before it.
  public init(bounds: [Double]) {
    precondition(bounds.count <= Self.boundLimit, "more bounds than a histogram has room for")
    precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bounds rise")
    self.bounds = bounds
  }

  /// Adds an observation, which is a number.
  public mutating func record(_ value: Double) {
    count += 1
    sum += value
    for index in bounds.indices where value <= bounds[index] {
      counts[index] += 1
      return
    }
  }

  /// Observations up to each bound, those below smaller bounds included [bounds.count].
  public var cumulativeCounts: [Int] {
    var total = 0
    return bounds.indices.map { index in
      total += counts[index]
      return total
    }
  }

  public static func == (one: Histogram, other: Histogram) -> Bool {
    one.bounds == other.bounds && one.count == other.count && one.sum == other.sum
      && one.bounds.indices.allSatisfy { one.counts[$0] == other.counts[$0] }
  }
}

/// The bounds of vLLM's histograms, so that its users' dashboards and alerts fit
/// (`vllm/v1/metrics/loggers.py`).
public enum HistogramBounds {
  /// Seconds from a request's arrival to its first token.
  public static let firstToken: [Double] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
    80, 160, 640, 2560,
  ]
  /// Seconds from one emission of a sequence to the next.
  public static let token: [Double] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
  ]
  /// Seconds of a request, or of a phase of it.
  public static let request: [Double] = [
    0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
  ]
  /// Tokens of one step of the engine.
  public static let step: [Double] = [
    1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
  ]
  /// Answers that one request asks for.
  public static let choices: [Double] = [1, 2, 5, 10, 20]

  /// Tokens of a request: 1, 2, 5, 10, 20, 50 and so on up to the context's length.
  public static func tokens(upTo limit: Int) -> [Double] {
    var bounds: [Double] = []
    var power = 1.0
    while true {
      for factor in [1.0, 2, 5] {
        guard factor * power <= Double(limit), bounds.count < Histogram.boundLimit else {
          return bounds
        }
        bounds.append(factor * power)
      }
      power *= 10
    }
  }
}
