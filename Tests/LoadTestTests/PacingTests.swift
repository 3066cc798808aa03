// When requests are due and which of them start: pure functions of plan, seed and time.

import LoadTest
import TestSupport
import Testing

@Suite("Pacing")
struct PacingTests {
  @Test("fixed arrivals do not drift")
  func fixed() {
    var schedule = ArrivalSchedule(kind: .fixed, rate: 3, seed: 0)
    let times = (0..<3_001).map { _ in schedule.next() }
    #expect(times[0] == 0)
    #expect(times[3_000] == 1_000_000_000_000)
    for (one, next) in zip(times, times.dropFirst()) {
      #expect((333_333_333...333_333_334).contains(next - one))
    }
  }

  @Test("Poisson arrivals have exponential gaps of the right mean, by seed")
  func poisson() {
    let seed = UInt64.random(in: 0...UInt64.max)
    func gaps(_ seed: UInt64) -> [Double] {
      var schedule = ArrivalSchedule(kind: .poisson, rate: 50, seed: seed)
      var last: UInt64 = 0
      return (0..<20_000).map { _ in
        let next = schedule.next()
        defer { last = next }
        return Double(next - last) / 1e9
      }
    }
    let found = gaps(seed)
    let mean = found.reduce(0, +) / 20_000
    // Six standard errors of the mean: 0.02 / sqrt(20,000).
    #expect(abs(mean - 0.02) < 0.02 * 6 / 141, "seed \(seed)")
    let variance = found.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
    #expect(abs(variance.squareRoot() / mean - 1) < 0.06, "seed \(seed)")
    // A gap exceeds its mean with chance 1/e.
    let long = found.filter { $0 > 0.02 }.count
    #expect(abs(Double(long) / 20_000 - 0.36788) < 0.021, "seed \(seed)")
    #expect(gaps(seed) == found)
    #expect(gaps(seed &+ 1) != found)
  }

  private static let second: UInt64 = 1_000_000_000

  /// Runs a director with answers that each take `latency`, and returns all starts with the time
  /// at which each was sent.
  private func simulate(
    _ director: inout LoadDirector, latency: UInt64, failing: Bool = false
  ) -> [(start: LoadDirector.Start, sent: UInt64)] {
    var now: UInt64 = 0
    var inWork: [(start: LoadDirector.Start, ends: UInt64)] = []
    var all: [(start: LoadDirector.Start, sent: UInt64)] = []
    while true {
      switch director.next(now: now) {
      case .start(let start):
        inWork.append((start, now + latency))
        all.append((start, now))
        continue
      case .wait(let time): now = min(time, inWork.first?.ends ?? time)
      case .waitForAnswers: now = inWork.first?.ends ?? now
      case .finished: return all
      }
      while let first = inWork.first, first.ends <= now {
        inWork.removeFirst()
        director.finish(first.start, now: now, failed: failing)
      }
    }
  }

  @Test("a closed loop keeps its clients busy, and each of them one at a time")
  func closed() {
    var pace = LoadPace()
    pace.mode = .closed(concurrency: 3)
    pace.requests = 10
    pace.warmupRequests = 2
    var director = LoadDirector(pace)
    let starts = simulate(&director, latency: Self.second)
    #expect(starts.map(\.start.number) == Array(0..<12))
    #expect(starts.map(\.start.client) == (0..<12).map { $0 % 3 })
    #expect(starts.map(\.sent) == (0..<12).map { UInt64($0 / 3) * Self.second })
    #expect(starts.map(\.start.isCounted) == [false, false] + Array(repeating: true, count: 10))
    #expect(director.outstanding == 0)
  }

  @Test("a closed loop of a given time ends, and failures do not hurry it")
  func pauses() {
    var pace = LoadPace()
    pace.mode = .closed(concurrency: 2)
    pace.duration = 1
    var director = LoadDirector(pace)
    let starts = simulate(&director, latency: 0, failing: true)
    // Ten starts per client and second at the pause of a tenth.
    #expect(starts.count == 20)
    #expect(starts.allSatisfy { $0.sent < Self.second })
  }

  @Test("an open loop starts on time whatever answers take")
  func open() {
    var pace = LoadPace()
    pace.mode = .open(rate: 10, arrivals: .fixed)
    pace.duration = 2
    pace.warmupSeconds = 0.5
    var director = LoadDirector(pace)
    let starts = simulate(&director, latency: 60 * Self.second)
    #expect(starts.count == 25)
    #expect(starts.map(\.start.isCounted) == (0..<25).map { $0 >= 5 })
    for (number, start) in starts.enumerated() {
      #expect(start.start.intended == UInt64(number) * Self.second / 10)
      #expect(start.sent == start.start.intended)
      #expect(start.start.client == nil)
    }
    #expect(director.delayedStarts == 0)
    #expect(director.unsent == 0)
  }

  @Test("the bound puts requests off, latencies count from when they were due, and it is told")
  func bound() {
    var pace = LoadPace()
    pace.mode = .open(rate: 10, arrivals: .fixed)
    pace.requests = 20
    pace.maxOutstanding = 2
    var director = LoadDirector(pace)
    let starts = simulate(&director, latency: Self.second)
    #expect(starts.count == 20)
    #expect(starts.map(\.start.intended) == (0..<20).map { UInt64($0) * Self.second / 10 })
    // Two per second: the third, due at 0.2 s, waits for the first's end at 1 s.
    #expect(starts[2].sent == Self.second)
    #expect(director.delayedStarts == 18)
    let delays = starts.map { $0.sent - $0.start.intended }
    #expect(director.longestDelay == delays.max())

    pace.requests = nil
    pace.duration = 2
    var timed = LoadDirector(pace)
    let sent = simulate(&timed, latency: Self.second)
    #expect(sent.count == 4)
    #expect(timed.unsent == 16)
  }

  @Test("a stop starts nothing more and waits for what is in work")
  func stop() {
    var director = LoadDirector(LoadPace())
    guard case .start(let first) = director.next(now: 0) else {
      Issue.record("no start")
      return
    }
    director.stop()
    #expect(director.next(now: 1) == .waitForAnswers)
    director.finish(first, now: 2, failed: true)
    #expect(director.next(now: 3) == .finished)
  }
}
