// What the engine measures of its sequences, with a clock that a test moves from step to step.

import Sampling
import Serving
import Synchronization
import TestSupport
import Testing

/// A clock that stands until it is moved.
private final class ScriptedClock: Sendable {
  private let time = Atomic<UInt64>(1)

  var now: UInt64 { time.load(ordering: .relaxed) }

  func advance(_ nanoseconds: UInt64) { time.add(nanoseconds, ordering: .relaxed) }
}

/// A stream that is read after every step, and what that says about time.
private final class Watched {
  let stream: TokenStream
  let submitted: UInt64
  var admitted: UInt64?
  var emissions: [UInt64] = []
  var tokens = 0
  var end: UInt64?

  init(_ stream: TokenStream, at time: UInt64) {
    self.stream = stream
    submitted = time
  }

  func read(at time: UInt64) {
    let before = tokens
    for event in stream.drain() {
      switch event {
      case .started: admitted = time
      case .prompt: break
      case .token: tokens += 1
      case .finished, .failed: end = time
      }
    }
    if tokens > before { emissions.append(time) }
  }

  var gaps: [Double] { zip(emissions, emissions.dropFirst()).map { Double($1 - $0) / 1e9 } }
}

@Suite("Latencies")
struct LatencyTests {
  private let clock = ScriptedClock()

  private func stream(
    _ inbox: EngineInbox, _ request: GenerationRequest
  ) throws -> TokenStream {
    try inbox.submit(request) { id in
      TokenStream(
        capacity: 10_000, notify: {}, cancelled: { inbox.cancel(id) },
        resumed: { inbox.resume(id) })
    }
  }

  private func request(_ prompt: [Int32], _ maxTokens: Int) -> GenerationRequest {
    var sampling = SamplingParameters()
    sampling.temperature = 0
    return GenerationRequest(prompt: prompt, sampling: sampling, maxTokens: maxTokens)
  }

  @Test("one sequence waits while another one runs: every span is exact")
  func spans() throws {
    let limits = EngineLimits(
      maxSequences: 1, queueLength: 8, prefillChunk: 16, contextLength: 256, pageCount: 8)
    let inbox = EngineInbox(queueLength: 8, clock: { [clock] in clock.now })
    let monitor = EngineMonitor()
    let model = ScriptedModel(rowCapacity: 32)
    let engine = Engine(
      model: model, limits: limits, inbox: inbox, monitor: monitor,
      clock: { [clock] in clock.now })
    // While the cost of layers is unknown, and with this clock it stays so, a step computes one.
    func step(_ count: Int = 1, after nanoseconds: UInt64) {
      clock.advance(nanoseconds)
      for _ in 0..<count { #expect(engine.step() == .worked) }
    }
    let layers = model.layerCount
    // Two chunks of 16 and one of 8 tokens, then three tokens; the second one waits meanwhile.
    let first = try stream(inbox, request((1...40).map { Int32($0) }, 3))
    clock.advance(1_000_000_000)
    let second = try stream(inbox, request([7], 1))
    step(layers, after: 500_000_000)
    for _ in 0..<2 { step(layers, after: 2_000_000_000) }
    step(after: 30_000_000)
    step(after: 70_000_000)
    #expect(first.timings.queueSeconds == 1.5)
    #expect(first.timings.prefillSeconds == 4)
    #expect(first.timings.firstTokenSeconds == 5.5)
    #expect(first.timings.decodeSeconds == 0.1)
    #expect(first.timings.inferenceSeconds == 4.1)
    #expect(first.timings.endToEndSeconds == 5.6)
    #expect(second.timings.queueSeconds == nil)
    #expect(second.timings.firstTokenSeconds == nil)
    step(after: 900_000_000)
    #expect(second.timings.queueSeconds == 5.5)
    #expect(second.timings.firstTokenSeconds == 5.5)
    #expect(second.timings.decodeSeconds == 0)
    let statistics = monitor.statistics
    #expect(statistics.firstTokenSeconds.count == 2)
    #expect(statistics.firstTokenSeconds.sum == 11)
    #expect(statistics.interTokenSeconds.count == 2)
    #expect(abs(statistics.interTokenSeconds.sum - 0.1) < 1e-12)
    // 16 rows twice, 8 rows and a token, and a token three times: a prompt of one token is decoded.
    #expect(statistics.stepTokens.count == 6)
    #expect(statistics.stepTokens.sum == 16 + 16 + 9 + 1 + 1 + 1)
    #expect(statistics.prefillLoad.passes == 3)
    #expect(statistics.prefillLoad.headPasses == 1)
    #expect(statistics.prefillLoad.readPositions == 16 + 32 + 40)
    #expect(statistics.decodeLoad.passes == 3)
    #expect(statistics.decodeLoad.headPasses == 3)
    #expect(statistics.decodeLoad.readPositions == 41 + 42 + 1)
    var both = second.timings
    both.formUnion(first.timings)
    #expect(both.queueSeconds == 1.5)
    #expect(both.decodeSeconds == 1)
  }

  @Test("a prompt that is only scored ends its prefill with its end")
  func scoring() throws {
    let limits = EngineLimits(
      maxSequences: 1, queueLength: 8, prefillChunk: 16, contextLength: 256, pageCount: 8)
    let inbox = EngineInbox(queueLength: 8, clock: { [clock] in clock.now })
    let model = ScriptedModel(rowCapacity: 32)
    let engine = Engine(
      model: model, limits: limits, inbox: inbox, clock: { [clock] in clock.now })
    let stream = try stream(inbox, request((0..<20).map { Int32($0) }, 0))
    for _ in 0..<2 {
      clock.advance(250_000_000)
      for _ in 0..<model.layerCount { #expect(engine.step() == .worked) }
    }
    #expect(stream.drain().last == .finished(.length))
    #expect(stream.timings.queueSeconds == 0.25)
    #expect(stream.timings.prefillSeconds == 0.25)
    #expect(stream.timings.endToEndSeconds == 0.5)
    #expect(stream.timings.firstTokenSeconds == nil && stream.timings.decodeSeconds == nil)
  }

  @Test("the time that a reader lets its sequence stand is nobody's latency")
  func pauses() throws {
    var limits = EngineLimits(
      maxSequences: 1, queueLength: 8, prefillChunk: 16, contextLength: 256, pageCount: 8)
    limits.streamBacklog = 4
    let inbox = EngineInbox(queueLength: 8, clock: { [clock] in clock.now })
    let monitor = EngineMonitor()
    let engine = Engine(
      model: ScriptedModel(rowCapacity: 32), limits: limits, inbox: inbox, monitor: monitor,
      clock: { [clock] in clock.now })
    let stream = try stream(inbox, request([5], 8))
    func step() {
      clock.advance(10_000_000)
      _ = engine.step()
    }
    for _ in 0..<10 { step() }
    #expect(monitor.statistics.pauses == 1)
    let emitted = monitor.statistics.generatedTokens
    clock.advance(3_600_000_000_000)
    var tokens = 0
    while monitor.statistics.lengthReached == 0 {
      tokens += stream.drain().count
      step()
    }
    let gaps = monitor.statistics.interTokenSeconds
    #expect(emitted < 8 && gaps.count == 8 - 1 - monitor.statistics.pauses)
    #expect(gaps.sum < 1)
    #expect(monitor.statistics.firstTokenSeconds.count == 1)
  }

  @Test(
    "a random workload's histograms are those of a reader who looks after every step",
    arguments: [Speculation.off, .fixed(3), .auto])
  func randomWorkload(speculation: Speculation) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    let limits = EngineLimits(
      maxSequences: 4, queueLength: 200, prefillChunk: 32, contextLength: 600, pageCount: 14,
      speculation: speculation)
    let inbox = EngineInbox(queueLength: 200, clock: { [clock] in clock.now })
    let monitor = EngineMonitor()
    let engine = Engine(
      model: PagedModel(limits: limits, canDraft: true, acceptance: 0.7, seed: seed),
      limits: limits, inbox: inbox, monitor: monitor, clock: { [clock] in clock.now })
    var all: [Watched] = []
    for _ in 0..<800 {
      clock.advance(UInt64.random(in: 1...200_000_000, using: &g))
      if all.count < 60, Int.random(in: 0..<4, using: &g) == 0 {
        let prompt = (0..<Int.random(in: 1...120, using: &g)).map { _ in
          Int32.random(in: 0..<Int32(PagedArithmetic.vocabularySize), using: &g)
        }
        let count = Int.random(in: 1...200, using: &g)
        all.append(Watched(try stream(inbox, request(prompt, count)), at: clock.now))
        if Int.random(in: 0..<5, using: &g) == 0 { all.randomElement(using: &g)?.stream.cancel() }
      }
      clock.advance(UInt64.random(in: 1...100_000_000, using: &g))
      _ = engine.step()
      for watched in all { watched.read(at: clock.now) }
    }
    var (first, next) = (
      Histogram(bounds: HistogramBounds.firstToken), Histogram(bounds: HistogramBounds.token)
    )
    for watched in all {
      if let time = watched.emissions.first { first.record(Double(time - watched.submitted) / 1e9) }
      for gap in watched.gaps { next.record(gap) }
      let timings = watched.stream.timings
      #expect(timings.submitted == watched.submitted, "seed \(seed)")
      #expect(timings.admitted == watched.admitted, "seed \(seed)")
      #expect(timings.firstToken == watched.emissions.first, "seed \(seed)")
      if watched.end != nil { #expect(timings.last == watched.emissions.last, "seed \(seed)") }
    }
    let statistics = monitor.statistics
    #expect(first.count > 20 && next.count > 200, "seed \(seed)")
    #expect(statistics.firstTokenSeconds.cumulativeCounts == first.cumulativeCounts, "seed \(seed)")
    #expect(statistics.interTokenSeconds.cumulativeCounts == next.cumulativeCounts, "seed \(seed)")
    #expect(abs(statistics.firstTokenSeconds.sum - first.sum) < 1e-6, "seed \(seed)")
    #expect(abs(statistics.interTokenSeconds.sum - next.sum) < 1e-6, "seed \(seed)")
  }
}
