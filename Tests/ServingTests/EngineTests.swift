// The engine loop over small models: what is submitted comes out, whatever runs beside it.

import Dispatch
import Sampling
import Serving
import Synchronization
import TestSupport
import Testing

/// Reads a stream to its end on the test's thread.
final class StreamReader: Sendable {
  private let news = DispatchSemaphore(value: 0)
  private let stream = Mutex<TokenStream?>(nil)

  init(_ engine: EngineHandle, _ request: GenerationRequest) throws {
    let submitted = try engine.submit(request) { [news] in news.signal() }
    stream.withLock { $0 = submitted }
  }

  func cancel() { stream.withLock { $0?.cancel() } }

  /// All events up to the last one; nil when nothing comes for a minute.
  func readAll() -> [GenerationEvent]? {
    var events: [GenerationEvent] = []
    while true {
      events += stream.withLock { $0?.drain() } ?? []
      if case .finished = events.last { return events }
      guard news.wait(timeout: .now() + 60) == .success else { return nil }
    }
  }
}

private func tokens(_ events: [GenerationEvent]?) -> [Int32] {
  (events ?? []).compactMap { if case .token(let token, _) = $0 { token } else { nil } }
}

@Suite("Engine", .timeLimit(.minutes(5)))
struct EngineTests {
  static func limits(
    sequences: Int = 3, queue: Int = 8, chunk: Int = 16, context: Int = 256, pages: Int = 8
  ) -> EngineLimits {
    EngineLimits(
      maxSequences: sequences, queueLength: queue, prefillChunk: chunk, contextLength: context,
      pageCount: pages)
  }

  func request(_ prompt: [Int32], _ maxTokens: Int) -> GenerationRequest {
    var sampling = SamplingParameters()
    sampling.temperature = 0
    return GenerationRequest(prompt: prompt, sampling: sampling, maxTokens: maxTokens)
  }

  func start(_ limits: EngineLimits = limits()) throws -> (EngineHandle, ScriptedModel) {
    let model = ScriptedModel(rowCapacity: limits.prefillChunk + limits.maxSequences)
    return (try EngineHandle(model: model, limits: limits), model)
  }

  @Test("answers end by length or by a stop token, which is the last one sent")
  func finish() throws {
    let (engine, _) = try start()
    let expected = ScriptedModel.answer(to: [5, 6], count: 20)
    let byLength = try StreamReader(engine, request([5, 6], 20)).readAll()
    #expect(tokens(byLength) == expected)
    #expect(byLength?.last == .finished(.length))
    var stopping = request([5, 6], 20)
    stopping.stopTokens = [expected[7]]
    let byStop = try StreamReader(engine, stopping).readAll()
    #expect(tokens(byStop) == Array(expected[...expected.firstIndex(of: expected[7])!]))
    #expect(byStop?.last == .finished(.stop))
  }

  @Test("long prompts are computed in chunks and come out the same", arguments: [1, 7, 64])
  func chunks(chunk: Int) throws {
    let (engine, model) = try start(Self.limits(chunk: chunk))
    let prompt = (0..<150).map { Int32($0 % 97) }
    let events = try StreamReader(engine, request(prompt, 3)).readAll()
    #expect(tokens(events) == ScriptedModel.answer(to: prompt, count: 3))
    #expect(model.steps.allSatisfy { $0.rows <= chunk })
    #expect(model.steps.count == (150 + chunk - 1) / chunk + 2)
  }

  @Test("many random requests at once, a quarter cancelled: each finished answer is its own")
  func manyRequests() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    let (engine, model) = try start(Self.limits(sequences: 5, queue: 240, pages: 11))
    let requests = (0..<200).map { _ in
      request(
        (0..<Int.random(in: 1...90, using: &g)).map { _ in Int32.random(in: 0..<97, using: &g) },
        Int.random(in: 0...60, using: &g))
    }
    let readers = try requests.map { try StreamReader(engine, $0) }
    let cancelled = Set((0..<200).filter { _ in Int.random(in: 0..<4, using: &g) == 0 })
    for index in cancelled { readers[index].cancel() }
    for (index, reader) in readers.enumerated() where !cancelled.contains(index) {
      let expected = ScriptedModel.answer(
        to: requests[index].prompt, count: requests[index].maxTokens)
      #expect(tokens(reader.readAll()) == expected, "seed \(seed) request \(index)")
    }
    #expect(model.steps.contains { $0.segments > 1 }, "requests never ran side by side")
    #expect(model.steps.allSatisfy { $0.segments <= 5 })
  }

  @Test("prompt log-probabilities cover every token but the first")
  func promptLogprobs() throws {
    let (engine, _) = try start()
    var scoring = request((0..<40).map { Int32($0) }, 0)
    scoring.promptLogprobs = 2
    let events = try #require(try StreamReader(engine, scoring).readAll())
    let scored = events.flatMap { event in
      if case .prompt(let logprobs) = event { logprobs } else { [TokenLogprobs]() }
    }
    #expect(scored.map(\.chosen.token) == (1..<40).map { Int32($0) })
    #expect(scored.allSatisfy { $0.top.count == 2 })
    #expect(scored[3].top[0].token == ScriptedModel.next(after: 3, at: 3))
    #expect(events.last == .finished(.length))
  }

  @Test("too long is refused at once, and a full queue says so")
  func refusals() throws {
    let (engine, model) = try start(Self.limits(sequences: 1, queue: 2, context: 100))
    let prompt = [Int32](repeating: 1, count: 99)
    for maxTokens in [2, Int.max] {
      let error = ServingError.contextExceeded(prompt: 99, maxTokens: maxTokens, limit: 100)
      #expect(throws: error) { try StreamReader(engine, request(prompt, maxTokens)) }
    }
    let exact = try StreamReader(engine, request(Array(prompt.dropLast()), 2))
    #expect(tokens(exact.readAll()).count == 2)
    while engine.stepAge != nil {}
    model.isHeld.store(true, ordering: .relaxed)
    var readers = [try StreamReader(engine, request([1], 5))]
    while engine.stepAge == nil {}
    readers.append(try StreamReader(engine, request([2], 5)))
    readers.append(try StreamReader(engine, request([3], 5)))
    #expect(throws: ServingError.queueFull(limit: 2, retrySeconds: 1)) {
      try StreamReader(engine, request([4], 5))
    }
    model.isHeld.store(false, ordering: .relaxed)
    for (index, reader) in readers.enumerated() {
      let expected = ScriptedModel.answer(to: [Int32(index + 1)], count: 5)
      #expect(tokens(reader.readAll()) == expected)
    }
    while engine.stepAge != nil {}
  }

  @Test("a cancelled request leaves room for others, also while it waits")
  func cancellation() throws {
    let (engine, _) = try start(Self.limits(sequences: 1, queue: 3, context: 512, pages: 8))
    let endless = try StreamReader(engine, request([1], 500))
    let waiting = try StreamReader(engine, request([2], 500))
    waiting.cancel()
    endless.cancel()
    let last = try StreamReader(engine, request([3], 4))
    #expect(tokens(last.readAll()) == ScriptedModel.answer(to: [3], count: 4))
  }
}
