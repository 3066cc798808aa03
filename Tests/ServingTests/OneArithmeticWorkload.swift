// Random requests to the bundled demo model, and what each of them gets when it is alone.

import Dispatch
import Glibc
import Sampling
import Serving
import TestSupport
import Testing

/// Everything the engine says about one request.
struct StreamedAnswer: Equatable {
  var prompt: [TokenLogprobs] = []
  var tokens: [Int32] = []
  var logprobs: [TokenLogprobs?] = []
  var finish: FinishReason?
  /// How much of the prompt came from the cache: the only thing that may differ.
  var cachedTokens = 0

  mutating func append(_ event: GenerationEvent) {
    switch event {
    case .started(let cachedTokens): self.cachedTokens = cachedTokens
    case .prompt(let scores): prompt += scores
    case .token(let token, let scores):
      tokens.append(token)
      logprobs.append(scores)
    case .finished(let reason): finish = reason
    case .failed(let failure): Issue.record("\(failure)")
    }
  }

  /// Whether this, as far as it goes, is what another answer begins with.
  func begins(_ whole: StreamedAnswer) -> Bool {
    whole.prompt.starts(with: prompt) && whole.tokens.starts(with: tokens)
      && whole.logprobs.starts(with: logprobs) && (finish == nil || isSame(as: whole))
  }

  /// Whether both say the same, bit by bit.
  func isSame(as other: StreamedAnswer) -> Bool {
    finish == other.finish && prompt == other.prompt && tokens == other.tokens
      && logprobs == other.logprobs
  }
}

/// Requests of every kind that must not influence each other.
struct OneArithmeticWorkload {
  /// Of most workloads.
  static let promptLimit = 300
  static let answerLimit = 120
  /// The first requests grow over several pages from next to nothing: where pages are few, some
  /// have to give way to others.
  static let growingCount = 8
  /// Those who ask, in turns.
  static let clientCount = 3
  /// Pages of the longest sequence.
  static func pagesOfLongest(_ promptLimit: Int = promptLimit) -> Int {
    (promptLimit + answerLimit + 63) / 64
  }

  let requests: [GenerationRequest]
  let alone: [StreamedAnswer]

  /// Draws the requests, and answers each of them alone on a fresh engine without speculation.
  init(
    count: Int, seed: UInt64, form: DemoEngine.Form = .bundled, promptLimit: Int = promptLimit
  ) throws {
    var g = SeededGenerator(seed: seed)
    let vocabulary = try DemoEngine.vocabularySize
    var requests: [GenerationRequest] = []
    for number in 0..<count {
      requests.append(
        Self.request(sharing: requests, upTo: promptLimit, vocabulary: vocabulary, &g))
      requests[number].client = number % Self.clientCount
    }
    // Whatever is drawn, a prompt is scored, one is as long as they get, and an answer ends at a
    // stop token.
    requests[Self.growingCount - 1].promptLogprobs = 2
    while requests[Self.growingCount].prompt.count < promptLimit {
      requests[Self.growingCount].prompt.append(
        Int32.random(in: 0..<Int32(vocabulary), using: &g))
    }
    requests[count - 1].stopTokens = Set(0..<Int32(vocabulary))
    self.requests = requests
    alone = try requests.map { request in
      let limits = EngineLimits(
        maxSequences: 1, queueLength: 1, prefillChunk: 128,
        contextLength: promptLimit + Self.answerLimit,
        pageCount: Self.pagesOfLongest(promptLimit),
        speculation: .off, cachesPrefixes: false)
      let engine = try DemoEngine.start(limits, threads: 1, form: form)
      var answer = StreamedAnswer()
      for event in try StreamReader(engine, request).readAll() ?? [] { answer.append(event) }
      return answer
    }
  }

  private static func request(
    sharing others: [GenerationRequest], upTo promptLimit: Int, vocabulary: Int,
    _ g: inout SeededGenerator
  ) -> GenerationRequest {
    func token() -> Int32 { Int32.random(in: 0..<Int32(vocabulary), using: &g) }
    func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &g) == 0 }
    var prompt: [Int32] = []
    if oneIn(3), let other = others.randomElement(using: &g) {
      prompt = Array(other.prompt.prefix(Int.random(in: 1...other.prompt.count, using: &g)))
    }
    let isGrowing = others.count < growingCount
    let length = isGrowing ? 20 : Int.random(in: 1...(oneIn(3) ? 20 : promptLimit), using: &g)
    while prompt.count < length { prompt.append(token()) }
    var request = GenerationRequest(
      prompt: prompt, sampling: sampling(vocabulary: vocabulary, &g),
      choice: Int.random(in: 0..<4, using: &g),
      maxTokens: Int.random(in: 1...answerLimit, using: &g))
    if isGrowing {
      request.maxTokens = answerLimit
      return request
    }
    if oneIn(2) { request.stopTokens = Set((0..<30).map { _ in token() }) }
    if oneIn(2) { request.logprobs = Int.random(in: 0...5, using: &g) }
    if oneIn(8) { request.promptLogprobs = Int.random(in: 0...3, using: &g) }
    if oneIn(8) { request.cacheSalt = "tenant" }
    if oneIn(8) { request.usesPrefixCache = false }
    request.priority = Int.random(in: 0...1, using: &g)
    return request
  }

  private static func sampling(
    vocabulary: Int, _ g: inout SeededGenerator
  ) -> SamplingParameters {
    func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &g) == 0 }
    var sampling = SamplingParameters()
    sampling.seed = g.next()
    sampling.temperature = oneIn(3) ? 0 : Double.random(in: 0.2...1.3, using: &g)
    if oneIn(3) { sampling.topK = Int.random(in: 1...50, using: &g) }
    if oneIn(3) { sampling.topP = Double.random(in: 0.3...1, using: &g) }
    if oneIn(4) { sampling.minP = Double.random(in: 0...0.2, using: &g) }
    if oneIn(4) { sampling.presencePenalty = Double.random(in: -1...1, using: &g) }
    if oneIn(4) { sampling.frequencyPenalty = Double.random(in: -1...1, using: &g) }
    if oneIn(4) { sampling.repetitionPenalty = Double.random(in: 0.8...1.5, using: &g) }
    if oneIn(4) {
      sampling.logitBias = (0..<10).map { _ in
        LogitBias(
          token: Int32.random(in: 0..<Int32(vocabulary), using: &g),
          bias: Double.random(in: -8...8, using: &g))
      }
    }
    return sampling
  }
}

/// All requests of a workload on one engine: each joins when so many events of others have come,
/// and a quarter of them is cancelled after some tokens.
struct OneArithmeticRun {
  struct TimedOut: Error {}

  private let requests: [GenerationRequest]
  /// Events of all requests after which each one is submitted, in order.
  private var arrivals: [Int] = []
  /// Tokens after which a request is cancelled.
  private(set) var cancellations: [Int: Int] = [:]
  private(set) var answers: [StreamedAnswer]

  init(_ requests: [GenerationRequest], seed: UInt64) {
    var g = SeededGenerator(seed: seed)
    self.requests = requests
    answers = requests.map { _ in StreamedAnswer() }
    var arrival = 0
    for (index, request) in requests.enumerated() {
      arrivals.append(arrival)
      guard index >= OneArithmeticWorkload.growingCount else { continue }
      // They come in crowds.
      arrival += Int.random(in: 0..<4, using: &g) == 0 ? Int.random(in: 0...100, using: &g) : 0
      if Int.random(in: 0..<4, using: &g) == 0 {
        cancellations[index] = Int.random(in: 0..<request.maxTokens, using: &g)
      }
    }
  }

  /// Runs until every request is answered or cancelled and the engine rests.
  mutating func run(on engine: EngineHandle) throws {
    let news = DispatchSemaphore(value: 0)
    var (submitted, received) = (0, 0)
    var running: [(index: Int, stream: TokenStream)] = []
    while submitted < requests.count || !running.isEmpty {
      while submitted < requests.count, received >= arrivals[submitted] || running.isEmpty {
        let stream = try engine.submit(requests[submitted]) { news.signal() }
        running.append((submitted, stream))
        submitted += 1
      }
      guard news.wait(timeout: .now() + 60) == .success else { throw TimedOut() }
      for (index, stream) in running {
        for event in stream.drain() {
          answers[index].append(event)
          received += 1
        }
        if isCancelled(index) { stream.cancel() }
      }
      running.removeAll { answers[$0.index].finish != nil || isCancelled($0.index) }
    }
    while engine.stepAge != nil { sched_yield() }
  }

  /// Whether the request was cancelled before it ended.
  func isCancelled(_ index: Int) -> Bool {
    guard answers[index].finish == nil, let limit = cancellations[index] else { return false }
    return answers[index].tokens.count >= limit
  }
}
