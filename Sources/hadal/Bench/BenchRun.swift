// One repetition of one test.

import DeepSeek
import Dispatch
import Glibc
import Logging
import Platform
import Sampling
import Serving

/// What a repetition brought.
struct BenchSample {
  let tokensPerSecond: Double
  /// What the engine counted meanwhile.
  let counts: BenchCounts
  /// The work of the measured part.
  let achieved: BenchAchieved
}

struct BenchRun {
  let test: BenchTest
  let engine: EngineHandle
  let model: BenchModel
  let profile: PassProfile?
  let prompts: BenchPrompts
  let temperature: Double
  let seed: UInt64
  /// Shown when the repetition takes long.
  var label = ""

  /// Seconds after which a user wants to know what is going on.
  private static let patience = 2

  init(
    test: BenchTest, engine: EngineHandle, of engines: BenchEngines, prompts: BenchPrompts,
    temperature: Double, seed: UInt64
  ) {
    self.test = test
    self.engine = engine
    model = engines.figures
    profile = engines.profile
    self.prompts = prompts
    self.temperature = temperature
    self.seed = seed
  }

  /// - Parameter number: of the repetition.
  func measure(number: Int) throws -> BenchSample {
    let contexts = (0..<test.batch).map {
      prompts.context(stream: $0, count: test.contextCount)
    }
    // Streams find their context in the prefix cache, and nothing else: not what other tests put
    // behind it, which begins with the same tokens, and nothing at all where there is no context.
    let isNew = test.depth == 0
    let salts = contexts.indices.map { isNew ? "\(test) \(number) \($0)" : "\(test) \($0)" }
    let requests = contexts.indices.map { stream in
      request(
        contexts[stream] + ending(stream: stream, number: number), maxTokens: test.answerCount,
        stream: stream, salt: salts[stream])
    }
    if !isNew {
      _ = try run(
        contexts.indices.map {
          request(contexts[$0], maxTokens: 0, stream: $0, salt: salts[$0])
        })
    }
    let before = engine.statistics
    let window = BenchWindow(test, engine, profile)
    let records = try run(requests, window)
    let counts = BenchCounts(from: before, to: engine.statistics)
    let rate =
      switch test.kind {
      case .prompt: try promptRate(records)
      case .generate: try generationRate(records.map(\.times))
      }
    guard let interval = window.interval else { throw CommandError("\(test): nothing to measure") }
    return BenchSample(
      tokensPerSecond: rate, counts: counts,
      achieved: BenchAchieved(
        test, interval, cachedTokens: records.map(\.cachedTokens), model))
  }

  /// What a prompt test computes after the context: other tokens in every repetition.
  private func ending(stream: Int, number: Int) -> [Int32] {
    guard test.kind == .prompt else { return [] }
    if test.depth == 0 { return prompts.context(stream: stream, count: test.tokens) }
    return prompts.tokens(stream: stream, number: number + 1, count: test.tokens)
  }

  private func request(
    _ prompt: [Int32], maxTokens: Int, stream: Int, salt: String
  ) -> GenerationRequest {
    var sampling = SamplingParameters()
    sampling.temperature = temperature
    sampling.seed = seed &+ UInt64(stream)
    return GenerationRequest(
      prompt: prompt, sampling: sampling, maxTokens: maxTokens, cacheSalt: salt)
  }

  /// Runs all requests from one step on and waits for their end, and for the engine's.
  private func run(
    _ requests: [GenerationRequest], _ window: BenchWindow? = nil
  ) throws -> [BenchStream.Record] {
    let over = DispatchSemaphore(value: 0)
    let streams = requests.map { BenchStream($0, window: window) { over.signal() } }
    // They are submitted at the end of another request, on the engine's thread: it cannot begin
    // with some of them before the others are there. Two tokens that nobody knows are a prompt; a
    // single one would count as a step of an answer.
    let signal = request(
      prompts.context(stream: 0, count: 2), maxTokens: 0, stream: 0,
      salt: "signal \(MonotonicClock.nanoseconds)")
    BenchStream(signal) { [engine] in
      window?.requestsBegin()
      for stream in streams { stream.start(engine) }
    }.start(engine)
    var isSilent = true
    for _ in streams {
      while over.wait(timeout: isSilent ? .now() + .seconds(Self.patience) : .distantFuture)
        == .timedOut
      {
        Logger(label: "hadal", quiet: false).info("\(label)")
        isSilent = false
      }
    }
    while engine.stepAge != nil { usleep(100) }
    let records = streams.map(\.record)
    if let failure = records.compactMap(\.failure).first {
      throw CommandError("\(test): \(failure)")
    }
    return records
  }

  /// Tokens that were computed over the time to the last stream's first token.
  private func promptRate(_ streams: [BenchStream.Record]) throws -> Double {
    let cached = streams.map(\.cachedTokens)
    if let least = cached.min(), least <= test.depth - LatentStorage.tokensPerPage {
      throw CommandError("\(test): the prefix cache has only \(least) tokens of the context")
    }
    let computed = test.batch * (test.depth + test.tokens) - cached.reduce(0, +)
    let start = streams.map(\.submitted).min() ?? 0
    let end = streams.compactMap(\.times.first).max() ?? 0
    guard end > start else { throw CommandError("\(test): no answer came") }
    return Double(computed) / (Double(end - start) / 1e9)
  }

  /// Tokens of all streams over the time in which all of them run, from token to token of the
  /// stream that ends first: so a step counts for all streams or for none. The step after a prompt
  /// is not among them.
  private func generationRate(_ times: [[UInt64]]) throws -> Double {
    let allRun = times.compactMap(\.first).max() ?? .max
    let reference = times.min { ($0.last ?? 0) < ($1.last ?? 0) } ?? []
    guard let start = reference.first(where: { $0 > allRun }), let end = reference.last,
      end > start
    else { throw CommandError("\(test): the streams did not run side by side") }
    let tokens = times.joined().count { $0 > start && $0 <= end }
    return Double(tokens) / (Double(end - start) / 1e9)
  }
}
