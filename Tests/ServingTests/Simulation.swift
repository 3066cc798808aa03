// One simulated life of an engine: clients that come, read, leave and come back, and the checks
// after every step.

import Sampling
import Serving
import TestSupport
import Testing

/// What one simulation is hard on.
struct SimulationSettings: Sendable, CustomTestStringConvertible {
  let testDescription: String
  var speculation = Speculation.auto
  /// Share of the drafts that are right; nil for a model that cannot draft.
  var acceptance: Double? = 0.8
  var chunk = 64
  var pages = 40
  var cachesPrefixes = true
  var stepSeconds = 0.05
  var salts: [String?] = [nil]
  /// Events at which an unread sequence is paused, and how many may be at one time.
  var backlog = 12
  var pausedSequences = 100
  /// Whether the pool is too small for long answers, so that sequences are preempted.
  var isShort = false

  var limits: EngineLimits {
    var limits = EngineLimits(
      maxSequences: 6, queueLength: 10, prefillChunk: chunk, contextLength: min(pages * 64, 1000),
      pageCount: pages, targetStepSeconds: stepSeconds, speculation: speculation,
      cachesPrefixes: cachesPrefixes)
    limits.streamBacklog = backlog
    limits.pausedSequences = pausedSequences
    return limits
  }

  /// Events that may wait in a stream: one step adds a chunk of scored tokens, or an answer's
  /// token with its drafts.
  var mostWaiting: Int { backlog + max(chunk, Speculation.maxDepth + 1) + 2 }
}

/// A reader of one answer.
private struct Client {
  let id: SequenceID
  let request: GenerationRequest
  let stream: TokenStream
  /// Steps from one reading to the next, about.
  let patience: Int
  /// Whether nobody else ever had this request's salt.
  let isAlone: Bool
  var answer = ScriptedAnswer()
  var startCount = 0
  var cachedTokens = 0
}

final class Simulation {
  let settings: SimulationSettings
  let limits: EngineLimits
  let model: PagedModel
  let engine: Engine<PagedModel>
  private let monitor = EngineMonitor()
  private let inbox: EngineInbox
  private var random: SeededGenerator
  private var clients: [Client] = []
  /// Beginnings that several prompts share, and what was said in finished conversations.
  private let openings: [[Int32]]
  private var conversations: [(salt: String?, tokens: [Int32])] = []
  /// Requests that arrive in 100 steps.
  private var rate = 10
  /// Salts of requests that were to be alone.
  private var ownSalts = 0
  /// Of readers that left.
  private var abandoned: [TokenStream] = []

  private(set) var steps = 0
  private(set) var submitted = 0
  private(set) var finished = 0
  private(set) var cancelled = 0
  /// Nanoseconds of the longest step, in the model's time.
  private(set) var longestStep: UInt64 = 0
  private(set) var refused = 0
  private(set) var cachedTokens = 0
  /// The first thing that was wrong.
  private(set) var failure: String?

  init(_ settings: SimulationSettings, seed: UInt64) {
    self.settings = settings
    limits = settings.limits
    random = SeededGenerator(seed: seed)
    model = PagedModel(
      limits: limits, canDraft: settings.acceptance != nil,
      acceptance: settings.acceptance ?? 0, seed: seed)
    inbox = EngineInbox(
      queueLength: limits.queueLength, clock: { [model] in model.nanoseconds })
    engine = Engine(
      model: model, limits: limits, inbox: inbox, monitor: monitor,
      clock: { [model] in model.nanoseconds })
    var random = random
    openings = [3, 40, 64, 150, 200].map { Self.text($0, &random) }
  }

  var statistics: EngineStatistics { monitor.statistics }

  private static func text(_ count: Int, _ random: inout SeededGenerator) -> [Int32] {
    (0..<count).map { _ in
      Int32.random(in: 0..<Int32(PagedArithmetic.vocabularySize), using: &random)
    }
  }

  private func chance(_ part: Int, in whole: Int) -> Bool {
    Int.random(in: 0..<whole, using: &random) < part
  }

  // MARK: - Time

  /// Runs until the engine has worked in so many steps, with quiet times between busy ones.
  func run(steps count: Int) {
    var rounds = 0
    while steps < count, failure == nil {
      rounds += 1
      require(rounds < count / 20, "nobody is served any more")
      rate = [2, 10, 40, 100].randomElement(using: &random)!
      for _ in 0..<Int.random(in: 50...1500, using: &random) where failure == nil { tick() }
      rest()
    }
  }

  /// Lets everything that is under way come to its end.
  private func rest() {
    rate = 0
    var patience = 20_000
    while patience > 0, failure == nil, !clients.isEmpty || tick() {
      tick()
      patience -= 1
    }
    require(patience > 0, "an answer never ends")
    let statistics = statistics
    require(
      statistics.freePages + statistics.cachedPages == limits.pageCount,
      "a page is held when nothing runs")
    require(statistics.pausedSequences == 0, "paused for nobody")
    require(
      statistics.stopped + statistics.lengthReached + statistics.cancelled == submitted,
      "an answer was lost")
  }

  /// One step with what happens before and after it. False when there was nothing to do.
  @discardableResult
  private func tick() -> Bool {
    if chance(rate, in: 100) {
      let known = ownSalts
      let request = request()
      submit(request, isAlone: ownSalts > known)
    }
    var leaving: Int?
    if chance(1, in: 50), let index = clients.indices.randomElement(using: &random) {
      leaving = index
      clients[index].stream.cancel()
      if chance(1, in: 4) { inbox.cancel(clients[index].id) }
    }
    let before = model.nanoseconds
    let progress = engine.step()
    longestStep = max(longestStep, model.nanoseconds - before)
    require(progress != .stopped, "the engine stopped")
    if progress == .worked { steps += 1 }
    require(engine.invariantViolation == nil, engine.invariantViolation ?? "")
    require(model.fault == nil, model.fault ?? "")
    require(abandoned.allSatisfy { $0.drain().isEmpty }, "an answer that nobody reads goes on")
    if let leaving { leave(leaving) }
    for index in clients.indices.reversed() where chance(1, in: clients[index].patience) {
      read(index)
      if clients[index].answer.reason != nil { finish(clients.remove(at: index)) }
    }
    return progress == .worked
  }

  private func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition, failure == nil { failure = "step \(steps): \(message())" }
  }

  // MARK: - Clients

  private func submit(_ request: GenerationRequest, isAlone: Bool) {
    let inbox = inbox
    var number: SequenceID?
    do {
      let stream = try inbox.submit(request) { id in
        number = id
        return TokenStream(
          capacity: request.prompt.count + request.maxTokens + 2, notify: {},
          cancelled: { inbox.cancel(id) }, resumed: { inbox.resume(id) })
      }
      guard let number else { return }
      submitted += 1
      clients.append(
        Client(
          id: number, request: request, stream: stream, patience: patience(), isAlone: isAlone))
    } catch {
      let limit = [limits.queueLength, limits.clientQueueLength]
      let isFull = limit.contains { limit in
        (1...60).contains { error == .queueFull(limit: limit, retrySeconds: $0) }
      }
      require(isFull, "\(error)")
      refused += 1
    }
  }

  /// Most readers keep up, some are slow, few go away for long and come back.
  private func patience() -> Int {
    switch Int.random(in: 0..<20, using: &random) {
    case 0: 400
    case 1...4: 60
    default: 2
    }
  }

  private func read(_ index: Int) {
    let events = clients[index].stream.drain()
    require(
      events.count <= settings.mostWaiting || settings.pausedSequences < limits.queueLength,
      "\(events.count) events waited")
    for event in events {
      let isFirst = clients[index].startCount == 0
      if case .started(let count) = event {
        clients[index].startCount += 1
        clients[index].cachedTokens = count
      }
      require(
        isFirst == (clients[index].startCount == 1 && isStart(event)), "started twice or late")
      require(clients[index].answer.reason == nil, "an event after the end")
      clients[index].answer.append(event)
    }
  }

  private func isStart(_ event: GenerationEvent) -> Bool {
    if case .started = event { true } else { false }
  }

  /// A reader is gone; what it read must still be right.
  private func leave(_ index: Int) {
    read(index)
    let client = clients.remove(at: index)
    cancelled += 1
    abandoned.append(client.stream)
    if abandoned.count > 5 { abandoned.removeFirst() }
    let expected = ScriptedAnswer(to: client.request)
    require(
      expected.tokens.starts(with: client.answer.tokens)
        && expected.promptLogprobs.starts(with: client.answer.promptLogprobs),
      "a cancelled answer began wrongly: \(client.request)")
  }

  private func finish(_ client: Client) {
    finished += 1
    cachedTokens += client.cachedTokens
    let expected = ScriptedAnswer(to: client.request)
    require(
      client.answer == expected,
      "answered \(client.answer.tokens), not \(expected.tokens), to \(client.request)")
    require(client.cachedTokens < client.request.prompt.count, "nothing is left to compute")
    if !limits.cachesPrefixes || !client.request.usesPrefixCache || client.isAlone {
      require(client.cachedTokens == 0, "found in the cache what is not to be there")
    }
    conversations.append((client.request.cacheSalt, client.request.prompt + client.answer.tokens))
    if conversations.count > 20 { conversations.removeFirst() }
  }

  // MARK: - Requests

  private func request() -> GenerationRequest {
    var salt = settings.salts.randomElement(using: &random)!
    var prompt: [Int32] = []
    // Short prompts with long answers grow beyond what was there when they were admitted.
    switch Int.random(in: 0..<(settings.isShort ? 15 : 6), using: &random) {
    case 0...1:
      if let talk = conversations.randomElement(using: &random) { (salt, prompt) = talk }
    case 2...3: prompt = openings.randomElement(using: &random)!
    default: break
    }
    if settings.salts.count > 1, chance(1, in: 20) {
      ownSalts += 1
      salt = "own \(ownSalts)"
    }
    let longest = limits.contextLength - 1
    let added =
      chance(1, in: settings.isShort ? 60 : 20) ? Int.random(in: 1...longest, using: &random) : 0
    prompt += Self.text(added + Int.random(in: 1...40, using: &random), &random)
    if prompt.count > longest { prompt.removeLast(prompt.count - longest) }
    let room = limits.contextLength - prompt.count
    let usual = settings.isShort ? 400 : 40
    let wished =
      chance(1, in: 10)
      ? [0, 1, 300].randomElement(using: &random)! : Int.random(in: 1...usual, using: &random)
    var request = GenerationRequest(
      prompt: prompt, sampling: sampling(), choice: Int.random(in: 0..<3, using: &random),
      maxTokens: min(room, wished),
      priority: Int.random(in: -1...1, using: &random),
      client: Int.random(in: 0..<3, using: &random),
      cacheSalt: salt)
    request.usesPrefixCache = !chance(1, in: 12)
    if chance(1, in: 2) { request.stopTokens = Set(Self.text(1, &random)) }
    request.logprobs = [nil, nil, 0, 3].randomElement(using: &random)!
    request.promptLogprobs = chance(1, in: 12) ? Int.random(in: 0...2, using: &random) : nil
    return request
  }

  private func sampling() -> SamplingParameters {
    var parameters = SamplingParameters()
    parameters.temperature = [0, 0, 0.7, 1, 1.5].randomElement(using: &random)!
    parameters.seed = random.next()
    if chance(1, in: 3) { parameters.topK = Int.random(in: 1...20, using: &random) }
    if chance(1, in: 3) { parameters.topP = Double.random(in: 0.3...1, using: &random) }
    if chance(1, in: 3) { parameters.minP = Double.random(in: 0...0.2, using: &random) }
    if chance(1, in: 4) { parameters.presencePenalty = Double.random(in: -1...1, using: &random) }
    if chance(1, in: 4) { parameters.frequencyPenalty = Double.random(in: -1...1, using: &random) }
    if chance(1, in: 4) {
      parameters.repetitionPenalty = Double.random(in: 1...1.5, using: &random)
    }
    if chance(1, in: 4) {
      parameters.logitBias = Self.text(2, &random).map { LogitBias(token: $0, bias: 3) }
    }
    return parameters
  }
}
