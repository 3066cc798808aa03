// Drafts that a coin decides about: never, always, and half of the time.

import Sampling
import Serving
import TestSupport
import Testing

@Suite("Acceptance by a coin")
struct AcceptanceCoinTests {
  private static let length = 600

  /// Answers to two prompts with two drafts in each step, and what became of these.
  private func run(
    _ probability: Double?, _ speculation: Speculation = .fixed(2), seed: UInt64 = 3
  ) throws -> (tokens: [[Int32]], statistics: EngineStatistics) {
    var limits = EngineLimits(
      maxSequences: 2, queueLength: 4, prefillChunk: 64, contextLength: 1024, pageCount: 40,
      speculation: speculation)
    limits.streamBacklog = 1000
    limits.acceptanceCoin = probability.map { AcceptanceCoin(probability: $0, seed: seed) }
    let (inbox, monitor) = (EngineInbox(queueLength: 4), EngineMonitor())
    let engine = Engine(
      model: try DemoEngine.model(limits, threads: 1), limits: limits, inbox: inbox,
      monitor: monitor)
    var sampling = SamplingParameters()
    sampling.temperature = 0
    let streams = try (0..<2).map { number in
      try inbox.submit(
        GenerationRequest(
          prompt: [7, 8, Int32(number)], sampling: sampling, maxTokens: Self.length)
      ) { _ in TokenStream(capacity: 1000, notify: {}, cancelled: {}, resumed: {}) }
    }
    while engine.step() == .worked {}
    let tokens = streams.map { stream in
      stream.drain().compactMap { if case .token(let token, _) = $0 { token } else { nil } }
    }
    #expect(tokens.map(\.count) == [Self.length, Self.length])
    return (tokens, monitor.statistics)
  }

  @Test("a coin that never says yes leaves the answer of plain decoding")
  func never() throws {
    let plain = try run(nil, .off)
    let refused = try run(0)
    #expect(refused.tokens == plain.tokens)
    #expect(refused.statistics.drafts[0].drafted > Self.length)
    #expect(refused.statistics.drafts.allSatisfy { $0.accepted == 0 })
  }

  @Test("a coin that always says yes takes every draft, right or wrong")
  func always() throws {
    let accepted = try run(1)
    #expect(accepted.statistics.drafts[1].drafted > 0)
    #expect(accepted.statistics.drafts.allSatisfy { $0.accepted == $0.drafted })
    // Three tokens in a step, for both at once.
    #expect(accepted.statistics.decodeSteps < Self.length / 3 + 10)
    #expect(try run(nil).tokens != accepted.tokens)
  }

  @Test("a fair coin takes half of the drafts, the same ones with the same seed")
  func half() throws {
    let first = try run(0.5)
    // The second draft counts only after the first.
    for (draft, expected) in zip(first.statistics.drafts, [0.5, 0.25]) {
      let share = Double(draft.accepted) / Double(draft.drafted)
      #expect((expected - 0.1...expected + 0.1).contains(share))
    }
    #expect(try run(0.5).tokens == first.tokens)
    #expect(try run(0.5, seed: 4).tokens != first.tokens)
  }
}
