// Histograms against counting by hand.

import Serving
import TestSupport
import Testing

@Suite("Histogram")
struct HistogramTests {
  static let bounds = [
    HistogramBounds.firstToken, HistogramBounds.token, HistogramBounds.request,
    HistogramBounds.step, HistogramBounds.choices, HistogramBounds.tokens(upTo: 163_840), [], [0],
  ]

  @Test("counts and sum are those of the observations", arguments: bounds)
  func random(bounds: [Double]) {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    var histogram = Histogram(bounds: bounds)
    let edges = bounds + bounds.map(\.nextUp) + bounds.map(\.nextDown)
    let most = (bounds.last ?? 1) * 2
    let values = (0..<2000).map { _ in
      Bool.random(using: &g)
        ? edges.randomElement(using: &g) ?? 0 : Double.random(in: 0...most, using: &g)
    }
    for value in values { histogram.record(value) }
    let expected = bounds.map { bound in values.count { $0 <= bound } }
    #expect(histogram.cumulativeCounts == expected, "seed \(seed)")
    #expect(histogram.count == values.count)
    #expect(histogram.sum == values.reduce(0, +), "seed \(seed)")
  }

  @Test("recording into one that somebody else holds allocates nothing")
  func allocations() {
    var histogram = Histogram(bounds: HistogramBounds.firstToken)
    histogram.record(0)
    let counter = AllocationCounter()
    counter.start()
    for value in 0..<100 {
      let held = histogram
      histogram.record(Double(value))
      withExtendedLifetime(held) {}
    }
    #expect(counter.stop() == 0)
    #expect(histogram.count == 101)
  }

  @Test("token bounds are 1, 2, 5 times powers of ten up to the limit")
  func tokenBounds() {
    #expect(HistogramBounds.tokens(upTo: 1) == [1])
    #expect(HistogramBounds.tokens(upTo: 100) == [1, 2, 5, 10, 20, 50, 100])
    #expect(HistogramBounds.tokens(upTo: 4999).last == 2000)
    #expect(HistogramBounds.tokens(upTo: .max).count == Histogram.boundLimit)
  }
}
