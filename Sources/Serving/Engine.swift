// The engine's loop: take submissions, plan, run, sample, publish. It owns all serving state and
// runs on a thread of its own; other threads reach it through the inbox and hear from it through
// token streams.

import Compute
import DeepSeek
import Platform
import Sampling

final class Engine<Model: LanguageModel> {
  private let model: Model
  private let scheduler: Scheduler
  private let inbox: EngineInbox
  private let pulse: EnginePulse
  private var pool: LatentPool
  private var waiting: [Submission] = []
  private var running: [SequenceState] = []
  private var batch = ForwardBatch()
  /// Sequences whose next token this step brings, and the row it follows from.
  private var ready: [(sequence: Int, row: Int)] = []

  init(model: Model, limits: EngineLimits, inbox: EngineInbox, pulse: EnginePulse) {
    self.model = model
    self.inbox = inbox
    self.pulse = pulse
    scheduler = Scheduler(limits: limits)
    pool = LatentPool(pageCount: limits.pageCount, cachesPrefixes: false)
  }

  /// Runs until the inbox is stopped; answers that are not finished by then stay unfinished.
  func run() {
    while takeSubmissions() {
      let plan = makePlan()
      assert(poolIsConsistent())
      if plan.rows.isEmpty {
        precondition(poolIsConsistent(), "the latent pool lost or shared a page")
        pulse.rest()
        inbox.wait()
        continue
      }
      pulse.beat()
      run(plan)
      sample(plan)
      publish()
    }
  }

  /// Takes what came in. False when the engine is to end.
  private func takeSubmissions() -> Bool {
    let news = inbox.take()
    waiting.append(contentsOf: news.submissions)
    if !news.cancellations.isEmpty {
      let cancelled = Set(news.cancellations)
      let before = waiting.count
      waiting.removeAll { cancelled.contains($0.id) }
      inbox.leaveQueue(before - waiting.count)
      retire { cancelled.contains($0.id) }
    }
    return !news.isStopping
  }

  /// Plans the step and admits the sequences it begins.
  private func makePlan() -> StepPlan {
    let plan = scheduler.plan(
      SchedulerView(
        running: running.map { .init(pending: $0.pending, isPrefilling: $0.isPrefilling) },
        waiting: waiting.prefix(scheduler.limits.maxSequences).map {
          .init(promptCount: $0.request.prompt.count, pagesNeeded: pagesNeeded(by: $0.request))
        },
        freePages: pool.availableCount))
    for submission in waiting.prefix(plan.admitted) {
      let pages = (0..<pagesNeeded(by: submission.request)).compactMap { _ in pool.allocate() }
      submission.stream.send(.started(cachedTokens: 0))
      running.append(SequenceState(submission, pages: pages))
    }
    waiting.removeFirst(plan.admitted)
    inbox.leaveQueue(plan.admitted)
    return plan
  }

  private func pagesNeeded(by request: GenerationRequest) -> Int {
    let size = LatentStorage.tokensPerPage
    return (request.positionCount + size - 1) / size
  }

  /// Computes the rows of the plan.
  private func run(_ plan: StepPlan) {
    batch.removeAll()
    for rows in plan.rows {
      let sequence = running[rows.sequence]
      let first = sequence.computed
      batch.append(
        Segment(firstPosition: first, tokenCount: rows.count, pages: sequence.pages),
        tokens: sequence.tokens[first..<first + rows.count])
    }
    model.decode(batch)
  }

  /// Turns the rows' logits into prompt log-probabilities and next tokens.
  private func sample(_ plan: StepPlan) {
    var firstRow = 0
    ready.removeAll(keepingCapacity: true)
    for rows in plan.rows {
      let index = rows.sequence
      if let top = running[index].request.promptLogprobs, running[index].isPrefilling {
        scorePrompt(running[index], rows: firstRow..<firstRow + rows.count, top: top)
      }
      running[index].advance(by: rows.count)
      firstRow += rows.count
      if running[index].pending == 0, running[index].finished == nil {
        ready.append((index, firstRow - 1))
      }
    }
    for block in stride(from: 0, to: ready.count, by: model.logitRowCapacity) {
      let part = ready[block..<min(block + model.logitRowCapacity, ready.count)]
      let logits = model.logits(.decode, ofRows: part.lazy.map(\.row))
      for (offset, (index, _)) in part.enumerated() {
        logits.withRow(offset) { running[index].takeNext(from: $0) }
      }
    }
  }

  /// Sends the log-probabilities of the prompt tokens that follow the given rows.
  private func scorePrompt(_ sequence: borrowing SequenceState, rows: Range<Int>, top: Int) {
    let known = sequence.request.prompt.count - 1 - sequence.computed
    let scored = rows.prefix(known)
    for block in stride(from: 0, to: scored.count, by: model.logitRowCapacity) {
      let part = scored.dropFirst(block).prefix(model.logitRowCapacity)
      let logits = model.logits(.decode, ofRows: part)
      let first = sequence.computed + block + 1
      sequence.stream.send(
        .prompt(
          part.indices.enumerated().map { offset, _ in
            let token = sequence.request.prompt[first + offset]
            return logits.withRow(offset) { TokenLogprobs($0, token: token, top: top) }
          }))
    }
  }

  /// Ends what is finished and returns its pages.
  private func publish() {
    for sequence in running {
      if let reason = sequence.finished { sequence.stream.send(.finished(reason)) }
    }
    retire { $0.finished != nil }
  }

  /// Whether each page is free or held by exactly one running sequence.
  private func poolIsConsistent() -> Bool {
    pool.isConsistent(held: running.flatMap(\.pages))
  }

  private func retire(_ isOver: (SequenceState) -> Bool) {
    for sequence in running where isOver(sequence) { sequence.pages.forEach { pool.release($0) } }
    running.removeAll(where: isOver)
  }
}
