// Percentiles, sums and the timeline against plain definitions; what reports do with foreign text.

import LoadTest
import TestSupport
import Testing

@Suite("Results")
struct ResultTests {
  @Test("percentiles are those of the sorted latencies")
  func percentiles() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for count in [1, 2, 7, 100, 5_000] {
      var histogram = LatencyHistogram()
      let values = (0..<count).map { _ in
        // From a microsecond to a thousand seconds, every power alike.
        UInt64.random(in: 1...9, using: &random) * 1_000
          * (0..<Int.random(in: 0...8, using: &random)).reduce(1) { power, _ in power * 10 }
          + UInt64.random(in: 0..<1_000, using: &random) * 1_000
      }.sorted()
      for value in values { histogram.record(nanoseconds: value) }
      for percent in [50.0, 90, 99, 100] {
        let rank = max(Int((percent / 100 * Double(count)).rounded(.up)), 1)
        let exact = Double(values[rank - 1]) / 1e6
        let found = histogram.percentile(percent)
        #expect(abs(found - exact) <= exact * 0.001 + 0.001, "seed \(seed), \(count), \(percent)")
      }
      #expect(histogram.count == count)
      #expect(histogram.maximum == Double(values[count - 1] / 1_000) / 1_000)
      let mean = values.reduce(0) { $0 + Double($1) } / Double(count) / 1e6
      #expect(abs(histogram.mean - mean) <= mean * 0.001 + 0.001, "seed \(seed)")
    }
    #expect(LatencyHistogram().percentile(99) == 0)
    #expect(LatencyHistogram().mean == 0)
  }

  @Test("counts between bounds hold every latency")
  func bounds() {
    var histogram = LatencyHistogram()
    for milliseconds in [1, 2, 3, 50, 51, 900] as [UInt64] {
      histogram.record(nanoseconds: milliseconds * 1_000_000)
    }
    #expect(histogram.counts(bounds: [0.9, 2.5, 40, 60, 1_000]) == [2, 1, 2, 1])
    #expect(LatencyHistogram().counts(bounds: [1, 2]) == [0])
  }

  @Test("a timeline keeps its sums while its points widen")
  func timeline() {
    var timeline = Timeline()
    for second in 0..<1_000 {
      timeline.at(UInt64(second) * 1_000_000_000) {
        $0.started += 1
        $0.endToEnd.record(nanoseconds: 5_000_000)
      }
    }
    #expect(timeline.points.count <= 120)
    #expect(timeline.width % Timeline.firstWidth == 0)
    #expect(timeline.points.reduce(0) { $0 + $1.started } == 1_000)
    #expect(timeline.points.reduce(0) { $0 + $1.endToEnd.count } == 1_000)
    #expect(timeline.points.count == Int(999_000_000_000 / timeline.width) + 1)
    let coarse = timeline.coarsened()
    #expect(coarse.points.reduce(0) { $0 + $1.started } == 1_000)
    timeline.at(UInt64.max) { $0.failed += 1 }
    #expect(timeline.points.count <= 120)
  }

  private func request(
    _ failure: Failure? = nil, ended: UInt64 = 400_000_000, first: UInt64? = 100_000_000,
    gaps: [UInt64] = [50_000_000, 150_000_000]
  ) -> RequestRecord {
    var record = RequestRecord(intended: 0, ended: ended, failure: failure)
    record.firstToken = first
    record.lastToken = (first ?? 0) + gaps.reduce(0, +)
    record.tokenEvents = first == nil ? 0 : gaps.count + 1
    record.gaps = gaps
    return record
  }

  @Test("goals are judged by request, and failures never meet them")
  func goals() {
    var goals = LatencyGoals()
    #expect(request().meets(goals))
    goals.timeToFirstToken = 100
    goals.interToken = 100
    goals.endToEnd = 400
    #expect(request().meets(goals))
    #expect(!request(first: 100_000_001).meets(goals))
    #expect(!request(ended: 400_000_001).meets(goals))
    #expect(!request(gaps: [100_000_000, 100_000_002]).meets(goals))
    #expect(!request(.status(500)).meets(goals))
    #expect(!request(.status(429)).meets(goals))
  }

  @Test("failures are counted by kind, refusals apart, and no flood of kinds grows memory")
  func failures() {
    var recorder = Recorder(goals: LatencyGoals())
    for seconds in ["5", "2", "Wed, 21 Oct 2015 07:28:00 GMT", "-1", "99999999999999999999"] {
      var refused = request(.status(429))
      refused.retryAfter = seconds
      recorder.record(refused)
    }
    recorder.record(request(.status(503)))
    recorder.record(request(.connectionReset))
    recorder.record(request(.cancelled))
    recorder.record(request())
    #expect(recorder.refused == 6)
    #expect(recorder.failed == 1)
    #expect(recorder.cancelled == 1)
    #expect(recorder.succeeded == 1)
    #expect(recorder.failures[.status(429)]?.withRetryAfter == 5)
    #expect(recorder.failures[.status(429)]?.retryAfterSeconds == 2...5)
    for status in 100..<1_000 { recorder.record(request(.status(status))) }
    #expect(recorder.failures.count <= 64)
    #expect(recorder.failed + recorder.refused == 7 + 900)
  }

  @Test("tokens are the server's count where it gives one")
  func tokens() {
    var recorder = Recorder(goals: LatencyGoals())
    recorder.record(request())
    #expect(recorder.outputTokens == 3)
    #expect(abs(recorder.timeline.points.reduce(0) { $0 + $1.outputTokens } - 3) < 1e-9)
    #expect(recorder.interEvent.count == 2)
    #expect(abs(recorder.timePerOutputToken.percentile(50) - 100) < 0.2)
  }

  @Test("foreign text is harmless on a terminal and in a document")
  func foreign() {
    let hostile = "<script>alert('x')</script>&\"\u{1B}[2J\u{9B}31m\u{202E}\u{0}"
    let shown = hostile.printable(limit: 300)
    #expect(!shown.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) })
    #expect(!shown.contains("\u{202E}"))
    #expect(String(repeating: "a", count: 500).printable(limit: 300).count == 300)
    let escaped = Markup.escape(hostile)
    for character in "<>\"'\u{1B}\u{0}" { #expect(!escaped.contains(character)) }
    #expect(escaped.contains("&lt;script&gt;"))
  }

  @Test("axes are round and cover their values")
  func axes() {
    #expect(ChartScale.ticks(upTo: 97) == [0, 50, 100])
    #expect(ChartScale.ticks(upTo: 0.7).last.map { $0 >= 0.7 } == true)
    for value in [1e-9, 0.003, 1, 7, 999, 1e9, .infinity, .nan, -1, 0] as [Double] {
      let ticks = ChartScale.ticks(upTo: value)
      #expect(ticks.count >= 2 && ticks.count < 12)
      if value.isFinite { #expect(ticks.last.map { $0 >= value * 0.999 } == true) }
    }
    #expect(ChartScale.label(0.5) == "0.5")
    #expect(ChartScale.label(150_000) == "150k")
    #expect(ChartScale.times(upTo: 600) == [0, 120, 240, 360, 480, 600])
  }
}
