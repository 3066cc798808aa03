// An answer depends on its request alone: not on its neighbours, the chunk size, the thread count,
// speculation, preemption or what the prefix cache holds.

import DeepSeek
import Platform
import Sampling
import Serving
import TestSupport
import Testing

@Suite("One arithmetic", .serialized)
struct OneArithmeticTests {
  /// Drawn anew in every run of the tests.
  static let seed = UInt64.random(in: 0 ... .max)
  static let workload = Result { try OneArithmeticWorkload(count: 64, seed: seed) }

  /// One way to run an engine.
  struct Variant: CustomTestStringConvertible, Sendable {
    var speculation = Speculation.auto
    var chunk = 512
    var threads = 1
    /// Whether the threads are those of two memory nodes.
    var hasNodes = false
    var pageCount = 400
    var promptLimit = OneArithmeticWorkload.promptLimit
    var cachesPrefixes = true
    /// A step this short makes prefills rest after every layer.
    var targetStepSeconds = 0.05

    var isPoolSmall: Bool { pageCount < 100 }
    /// With a cold cache and with a warm one, if it can hold what was asked for.
    var roundCount: Int { cachesPrefixes && !isPoolSmall ? 2 : 1 }
    var testDescription: String {
      """
      mtp \(speculation), chunk \(chunk), threads \(threads), nodes \(hasNodes), \
      pages \(pageCount), prefix cache \(cachesPrefixes), step \(targetStepSeconds) s
      """
    }

    var memory: MemoryNodes { hasNodes ? DemoEngine.twoNodes : .single }

    var limits: EngineLimits {
      EngineLimits(
        maxSequences: 10, queueLength: 128, prefillChunk: chunk,
        contextLength: promptLimit + OneArithmeticWorkload.answerLimit,
        pageCount: pageCount, targetStepSeconds: targetStepSeconds, speculation: speculation,
        cachesPrefixes: cachesPrefixes)
    }
  }

  static let smallPool = OneArithmeticWorkload.pagesOfLongest()

  static let variants = [
    Variant(),
    Variant(threads: 2, targetStepSeconds: 1e-5),
    Variant(threads: 3, hasNodes: true),
    Variant(speculation: .off, chunk: 16, cachesPrefixes: false),
    Variant(speculation: .fixed(3), chunk: 16, threads: 2),
    Variant(speculation: .fixed(3), cachesPrefixes: false, targetStepSeconds: 1e-5),
    Variant(chunk: 16, threads: 2, pageCount: smallPool),
    Variant(speculation: .fixed(3), pageCount: smallPool, targetStepSeconds: 1e-5),
    Variant(speculation: .off, threads: 2, pageCount: smallPool, cachesPrefixes: false),
  ]

  @Test("64 random requests together are answered as each one alone", arguments: variants)
  func together(variant: Variant) throws {
    let workload = try Self.workload.get()
    let engine = try DemoEngine.start(
      variant.limits, threads: variant.threads, memory: variant.memory)
    for round in 0..<variant.roundCount {
      let before = engine.statistics
      var run = OneArithmeticRun(workload.requests, seed: Self.seed &+ UInt64(round))
      try run.run(on: engine)
      expectAnswers(run, workload, "round \(round)")
      expectTraces(variant, round: round, before, engine.statistics, run)
    }
  }

  @Test(
    "the same with quantised weights and latents", arguments: [DemoEngine.Form.q8, .q4],
    [variants[2], variants[4], variants[7]])
  func quantised(form: DemoEngine.Form, variant: Variant) throws {
    let workload = try OneArithmeticWorkload(count: 20, seed: Self.seed, form: form)
    let engine = try DemoEngine.start(
      variant.limits, threads: variant.threads, memory: variant.memory, form: form)
    var run = OneArithmeticRun(workload.requests, seed: Self.seed)
    try run.run(on: engine)
    expectAnswers(run, workload, "\(form)")
    #expect(engine.statistics.drafts[0].accepted > 0)
  }

  static let longPrompts = 800
  static let expandedVariants = [
    Variant(speculation: .off, chunk: 200, threads: 2, promptLimit: longPrompts),
    Variant(speculation: .fixed(2), promptLimit: longPrompts, targetStepSeconds: 1e-5),
    Variant(
      chunk: 64, pageCount: OneArithmeticWorkload.pagesOfLongest(longPrompts),
      promptLimit: longPrompts),
  ]
  static let expandedWorkload = Result {
    try OneArithmeticWorkload(
      count: 24, seed: seed, form: .expanded, promptLimit: longPrompts)
  }

  @Test("the same with prompts in the expanded form", arguments: expandedVariants)
  func expanded(variant: Variant) throws {
    let workload = try Self.expandedWorkload.get()
    #expect(workload.requests.contains { $0.prompt.count > PromptAttention.blockLength })
    let engine = try DemoEngine.start(variant.limits, threads: variant.threads, form: .expanded)
    for round in 0..<variant.roundCount {
      var run = OneArithmeticRun(workload.requests, seed: Self.seed &+ UInt64(round))
      try run.run(on: engine)
      expectAnswers(run, workload, "round \(round)")
    }
  }

  /// Every answer is what its request gets alone, up to where it was cancelled.
  private func expectAnswers(
    _ run: OneArithmeticRun, _ workload: OneArithmeticWorkload, _ what: String
  ) {
    for (index, answer) in run.answers.enumerated() {
      let place: Comment = "seed \(Self.seed), \(what), request \(index)"
      #expect(answer.begins(workload.alone[index]), place)
      #expect(answer.finish != nil || run.isCancelled(index), place)
    }
  }

  /// What the variant is about has happened, and nothing is left behind.
  private func expectTraces(
    _ variant: Variant, round: Int, _ before: EngineStatistics, _ after: EngineStatistics,
    _ run: OneArithmeticRun
  ) {
    let cached = run.answers.map(\.cachedTokens).reduce(0, +)
    if !variant.cachesPrefixes { #expect(cached == 0 && after.cachedPages == 0) }
    if round == 1 {
      let prompts = after.promptTokens - before.promptTokens
      #expect(cached * 2 > prompts, "most of what was asked for before is known")
    }
    if variant.isPoolSmall { #expect(after.preemptions > before.preemptions) }
    let drafts = after.drafts[0]
    switch variant.speculation {
    case .off: #expect(drafts.drafted == 0)
    case .auto: break
    case .fixed: #expect(drafts.accepted > 0 && drafts.accepted < drafts.drafted)
    }
    #expect(after.runningSequences == 0 && after.waitingSequences == 0)
    #expect(after.freePages + after.cachedPages == after.pageCount)
    #expect(after.cancelled - before.cancelled <= run.cancellations.count)
  }

  @Test("the requests are of every kind")
  func workloadIsVaried() throws {
    let workload = try Self.workload.get()
    let (requests, alone) = (workload.requests, workload.alone)
    #expect(alone.allSatisfy { $0.finish != nil }, "seed \(Self.seed)")
    #expect(Set(alone.map(\.finish)) == [.stop, .length], "seed \(Self.seed)")
    #expect(requests.contains { $0.sampling.temperature == 0 })
    #expect(requests.contains { $0.sampling.temperature > 0 })
    #expect(alone.contains { $0.logprobs.contains { $0 != nil } })
    #expect(alone.contains { !$0.prompt.isEmpty })
  }
}
