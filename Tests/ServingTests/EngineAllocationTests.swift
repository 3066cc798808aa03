// Steps of the whole engine allocate nothing once answers run: planning, both passes, sampling,
// drafting and sending included.

import Sampling
import Serving
import TestSupport
import Testing

@Suite("Engine allocations")
struct EngineAllocationTests {
  private func request(_ number: Int, count: Int) -> GenerationRequest {
    var sampling = SamplingParameters()
    sampling.seed = UInt64(number)
    sampling.temperature = [0, 0.7, 1][number % 3]
    sampling.topP = number % 2 == 0 ? 1 : 0.9
    sampling.frequencyPenalty = number == 3 ? 0.5 : 0
    return GenerationRequest(
      prompt: (1...20).map { Int32($0 + number) }, sampling: sampling, maxTokens: count)
  }

  @Test(
    "decode steps, drafts included", .enabled(if: AllocationCounter.countsTheCode, "debug build"),
    arguments: [Speculation.off, .fixed(2), .auto], [1, 2])
  func decodeSteps(speculation: Speculation, threads: Int) throws {
    var limits = EngineLimits(
      maxSequences: 4, queueLength: 8, prefillChunk: 128, contextLength: 1024, pageCount: 64,
      speculation: speculation)
    limits.streamBacklog = 1000
    let inbox = EngineInbox(queueLength: 8)
    let monitor = EngineMonitor()
    let engine = Engine(
      model: try DemoEngine.model(limits, threads: threads), limits: limits, inbox: inbox,
      monitor: monitor)
    var streams: [TokenStream] = []
    for number in 0..<4 {
      streams.append(
        try inbox.submit(request(number, count: 900)) { _ in
          TokenStream(capacity: 1000, notify: {}, cancelled: {}, resumed: {})
        })
    }
    func drain() -> Int { streams.reduce(0) { $0 + $1.drain().count } }
    for _ in 0..<100 { #expect(engine.step() == .worked) }
    #expect(drain() >= 4 * 90)
    // Past several ends of pages; the reader, who allocates, reads in between.
    for round in 0..<40 {
      // As a scrape does, which must cost the engine no copy.
      let held = monitor.statistics
      let counter = AllocationCounter()
      counter.start()
      for _ in 0..<3 { _ = engine.step() }
      #expect(counter.stop() == 0, "round \(round)")
      withExtendedLifetime(held) {}
      #expect(drain() >= 4 * 3)
    }
  }
}
