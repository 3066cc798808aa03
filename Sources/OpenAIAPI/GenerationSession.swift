// One generation request from its submission to the last byte of its answer.

import Dispatch
import HTTP
import Serving

/// Carries events of the engine to the client, and the client's going away to the engine.
///
/// Unchecked because everything is touched on the connection's queue alone; only the engine's
/// notification runs elsewhere, and it does nothing but get onto that queue.
final class GenerationSession: @unchecked Sendable {
  private let request: TranslatedRequest
  private let engine: EngineHandle
  private let answers: AnswerCounts
  private let responder: Responder
  private let admission: Admission
  private var writer: StreamWriter
  private var assemblers: [ChoiceAssembler]
  private var streams: [TokenStream] = []
  /// Events taken from the engine and not yet written, by choice.
  private var pending: [ArraySlice<GenerationEvent>]
  private var unfinished: Int
  /// What the access log is to know; nil when nobody asked.
  private let record: RequestRecord?
  /// Tokens of each answer so far, and of its prompt those from the cache.
  private var generated: [Int]
  private var cached: [Int]
  private var isOver = false

  init(
    _ request: TranslatedRequest, model: ServedModel, format: any AnswerFormat,
    header: AnswerHeader, responder: Responder, admission: Admission
  ) {
    self.request = request
    self.responder = responder
    self.admission = admission
    engine = model.engine
    answers = model.answers
    writer = StreamWriter(request, format: format, header: header, responder: responder)
    assemblers = (0..<request.choiceCount).map {
      ChoiceAssembler(request, prompt: request.prompt(ofChoice: $0), tokenizer: model.tokenizer)
    }
    pending = Array(repeating: [], count: request.choiceCount)
    unfinished = request.choiceCount
    generated = Array(repeating: 0, count: request.choiceCount)
    cached = Array(repeating: 0, count: request.choiceCount)
    record = responder.attachment as? RequestRecord
    record?.begin(request, model: model.name)
  }

  /// Submits all choices and begins the answer; when the engine refuses one of them, none runs.
  /// - Parameter promptParam: what an error blames for a prompt that the engine does not take.
  func start(promptParam: String) throws(APIError) {
    for choice in 0..<request.choiceCount {
      do throws(ServingError) {
        streams.append(
          try engine.submit(
            request.engineRequest(ofChoice: choice, client: admission.client),
            notify: notifier(choice)))
      } catch {
        cancel()
        throw APIError(error, param: promptParam)
      }
    }
    admission.use(request.prompts.reduce(0) { $0 + $1.tokens.count })
    // The closures keep the session alive until the answer is complete or the client is gone.
    responder.onClose = { self.abort() }
    responder.onRoom = { self.advanceAll() }
    writer.begin()
    advanceAll()
  }

  /// Called by the engine on its own thread.
  private func notifier(_ choice: Int) -> @Sendable () -> Void {
    let queue = responder.queue
    return { [weak self] in
      queue.async { [weak self] in self?.advance(choice) }
    }
  }

  /// The client has gone, perhaps in the middle of a write.
  private func abort() {
    if !isOver {
      answers.addAborted(unfinished)
      for choice in assemblers.indices where !assemblers[choice].isFinished {
        record?.end("abort", streams[choice].timings)
      }
    }
    cancel()
  }

  /// Nobody waits for the answer any more.
  private func cancel() {
    isOver = true
    for stream in streams { stream.cancel() }
  }

  private func advanceAll() {
    for choice in assemblers.indices { advance(choice) }
  }

  /// The most events that become one chunk, so that no chunk outgrows the connection's buffer.
  private static let eventsPerChunk = 64

  /// Writes what a choice has to say, as far as the client takes it.
  private func advance(_ choice: Int) {
    while !isOver, !assemblers[choice].isFinished, writer.hasRoom {
      writer.announce(choice: choice)
      if pending[choice].isEmpty { pending[choice] = streams[choice].drain()[...] }
      let events = pending[choice].prefix(Self.eventsPerChunk)
      if events.isEmpty { return }
      pending[choice] = pending[choice].dropFirst(events.count)
      var delta = ChoiceDelta()
      for event in events { delta.append(assemblers[choice].add(event)) }
      admission.use(delta.tokens.count)
      writer.add(delta, choice: choice)
      // The client may be found gone in the middle of that.
      if isOver { return }
      generated[choice] += delta.tokens.count
      cached[choice] += delta.cachedTokens
      record?.add(delta, choice: choice)
      if let end = delta.end {
        finish(choice, end.reason)
      } else if case .failed(let failure) = events.last {
        fail(choice, failure)
      }
    }
  }

  /// One choice without an answer is no answer at all.
  private func fail(_ choice: Int, _ failure: PassFailure) {
    answers.addFailed(unfinished)
    record?.end("error", streams[choice].timings)
    cancel()
    writer.fail(APIError(failure))
  }

  private func finish(_ choice: Int, _ reason: FinishReason) {
    let timings = streams[choice].timings
    let prompt = request.prompt(ofChoice: choice)
    answers.add(
      reason,
      EndedAnswer(
        timings: timings, promptTokens: prompt.tokens.count, cachedTokens: cached[choice],
        generatedTokens: generated[choice], maxTokens: prompt.maxTokens))
    record?.end(reason.name, timings)
    // A stop string ends the answer here before the engine knows of it.
    streams[choice].cancel()
    pending[choice] = []
    unfinished -= 1
    guard unfinished == 0, !isOver else { return }
    isOver = true
    answers.addRequest(choices: request.choiceCount, longestAnswer: generated.max() ?? 0)
    writer.finish()
  }
}
