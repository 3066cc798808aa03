// Sequences whose readers do not keep up: set aside at no cost, and the same when they go on.

import Sampling
import Serving
import TestSupport
import Testing

@Suite("Pausing")
struct PauseTests {
  /// An engine that is stepped by the test, over a model whose answers are known.
  private final class Bench {
    let model: PagedModel
    let engine: Engine<PagedModel>
    let inbox: EngineInbox
    let monitor = EngineMonitor()

    init(pages: Int = 40, sequences: Int = 4, cachesPrefixes: Bool = true) {
      var limits = EngineLimits(
        maxSequences: sequences, queueLength: 10, prefillChunk: 64, contextLength: 600,
        pageCount: pages, speculation: .off, cachesPrefixes: cachesPrefixes)
      limits.streamBacklog = 20
      let model = PagedModel(limits: limits, canDraft: false, acceptance: 0, seed: 1)
      self.model = model
      inbox = EngineInbox(queueLength: 10)
      engine = Engine(
        model: model, limits: limits, inbox: inbox, monitor: monitor,
        clock: { model.nanoseconds })
    }

    func submit(_ request: GenerationRequest) throws -> TokenStream {
      let inbox = inbox
      return try inbox.submit(request) { id in
        TokenStream(
          capacity: request.prompt.count + request.maxTokens + 2, notify: {},
          cancelled: { inbox.cancel(id) }, resumed: { inbox.resume(id) })
      }
    }

    /// Steps until there is nothing to do; the number of steps that did something.
    func rest() -> Int {
      var steps = 0
      while engine.step() == .worked { steps += 1 }
      return steps
    }
  }

  private func request(_ first: Int32, prompt: Int = 70, count: Int = 100) -> GenerationRequest {
    var sampling = SamplingParameters()
    sampling.temperature = 0.8
    sampling.seed = UInt64(first)
    return GenerationRequest(
      prompt: (0..<prompt).map { (first + Int32($0)) % 50 }, sampling: sampling, maxTokens: count)
  }

  private func expect(_ answer: ScriptedAnswer, to request: GenerationRequest) {
    #expect(answer == ScriptedAnswer(to: request))
  }

  @Test("an unread sequence stops at its bound, costs no step, and goes on with the same tokens")
  func bound() throws {
    let bench = Bench()
    let asked = request(3)
    let stream = try bench.submit(asked)
    #expect(bench.rest() > 0)
    #expect(bench.monitor.statistics.pausedSequences == 1)
    #expect(bench.monitor.statistics.runningSequences == 0)
    // Nothing to do for it, however often the engine looks.
    let generated = bench.monitor.statistics.generatedTokens
    #expect(bench.rest() == 0)
    #expect(bench.monitor.statistics.generatedTokens == generated)
    var answer = ScriptedAnswer()
    var readings = 0
    while answer.reason == nil {
      let events = stream.drain()
      #expect(events.count <= 22)
      for event in events { answer.append(event) }
      readings += 1
      _ = bench.rest()
    }
    expect(answer, to: asked)
    #expect(readings >= 100 / 22)
    #expect(bench.monitor.statistics.pauses == readings - 1)
    // All its latents were still there: only the last page's last position is computed again.
    #expect(bench.monitor.statistics.prefilledTokens <= 70 + readings)
    #expect(bench.engine.invariantViolation == nil)
  }

  @Test("beside an unread sequence another one runs as if it were alone", arguments: [1, 3])
  func beside(sequences: Int) throws {
    var stepCounts: [Int] = []
    for isAlone in [true, false] {
      let bench = Bench(sequences: sequences)
      // So that the costs of steps are known to both.
      let first = try bench.submit(request(40, count: 5))
      _ = bench.rest()
      #expect(first.drain().last == .finished(.length))
      let unread = try (0..<(isAlone ? 0 : sequences)).map {
        try bench.submit(request(30 + Int32($0)))
      }
      _ = bench.rest()
      #expect(bench.monitor.statistics.pausedSequences == unread.count)
      let asked = request(5)
      let stream = try bench.submit(asked)
      var answer = ScriptedAnswer()
      var steps = 0
      while answer.reason == nil, bench.engine.step() == .worked {
        steps += 1
        for event in stream.drain() { answer.append(event) }
      }
      expect(answer, to: asked)
      stepCounts.append(steps)
    }
    #expect(stepCounts[0] == stepCounts[1])
  }

  @Test("its pages go to others first, and it comes back all the same", arguments: [true, false])
  func evicted(cachesPrefixes: Bool) throws {
    // Ten pages: one answer of 600 positions needs all of them.
    let bench = Bench(pages: 10, cachesPrefixes: cachesPrefixes)
    let paused = request(9, prompt: 200, count: 60)
    let stream = try bench.submit(paused)
    _ = bench.rest()
    #expect(bench.monitor.statistics.pausedSequences == 1)
    let large = request(17, prompt: 500, count: 100)
    let reader = try bench.submit(large)
    var (answer, other) = (ScriptedAnswer(), ScriptedAnswer())
    while other.reason == nil, bench.engine.step() == .worked {
      for event in reader.drain() { other.append(event) }
    }
    expect(other, to: large)
    #expect(bench.monitor.statistics.preemptions == 0, "nobody that runs had to give way")
    while answer.reason == nil {
      for event in stream.drain() { answer.append(event) }
      _ = bench.rest()
    }
    expect(answer, to: paused)
  }

  @Test("a client that leaves while it is paused is forgotten, and what it left stays cached")
  func cancelled() throws {
    let bench = Bench()
    let asked = request(11, prompt: 130)
    let stream = try bench.submit(asked)
    _ = bench.rest()
    stream.cancel()
    #expect(bench.rest() == 0)
    #expect(bench.monitor.statistics.cancelled == 1)
    #expect(bench.monitor.statistics.pausedSequences == 0)
    // The reader's last look comes too late to wake anybody.
    _ = stream.drain()
    #expect(bench.rest() == 0)
    let again = try bench.submit(asked)
    _ = bench.engine.step()
    #expect(again.drain().first == .started(cachedTokens: 129))
  }

  @Test("a prompt that is scored for nobody waits, too, and every score comes once")
  func scoring() throws {
    let bench = Bench()
    var asked = request(7, prompt: 400, count: 3)
    asked.promptLogprobs = 2
    let stream = try bench.submit(asked)
    _ = bench.rest()
    #expect(bench.monitor.statistics.pausedSequences == 1)
    var answer = ScriptedAnswer()
    while answer.reason == nil {
      let events = stream.drain()
      #expect(events.count <= 20 + 64 + 2)
      for event in events { answer.append(event) }
      _ = bench.rest()
    }
    expect(answer, to: asked)
  }

  @Test("beyond the bound of paused sequences an unread one goes on to its end")
  func tooMany() throws {
    var limits = EngineTests.limits(context: 512)
    limits.streamBacklog = 5
    limits.pausedSequences = 1
    let inbox = EngineInbox(queueLength: 8)
    let monitor = EngineMonitor()
    let engine = Engine(
      model: ScriptedModel(rowCapacity: 16), limits: limits, inbox: inbox, monitor: monitor)
    let streams = try (1...3).map { number in
      try inbox.submit(EngineTests().request([Int32(number)], 30)) { id in
        TokenStream(
          capacity: 40, notify: {}, cancelled: {}, resumed: { inbox.resume(id) })
      }
    }
    while engine.step() == .worked {}
    #expect(monitor.statistics.pausedSequences == 1)
    #expect(monitor.statistics.lengthReached == 2)
    for stream in streams { #expect(stream.drain().count >= 5) }
    while engine.step() == .worked {
      for stream in streams { _ = stream.drain() }
    }
    #expect(monitor.statistics.lengthReached == 3)
  }
}
