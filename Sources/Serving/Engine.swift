// The engine's loop: take submissions, plan, run, sample, publish. It owns all serving state and
// runs on a thread of its own; other threads reach it through the inbox and hear from it through
// token streams.

import DeepSeek
import Platform
import Sampling

/// What a step of the engine came to.
package enum EngineProgress: Equatable {
  case worked
  /// There is nothing to do until the inbox has news.
  case idle
  /// The inbox was stopped; answers that are not finished stay unfinished.
  case stopped
}

/// Every method is called on one thread.
package final class Engine<Model: LanguageModel> {
  let model: Model
  let limits: EngineLimits
  let scheduler: Scheduler
  let inbox: EngineInbox
  let monitor: EngineMonitor
  /// Nanoseconds of a monotonic clock.
  let clock: () -> UInt64
  var pool: LatentPool
  /// Set when the engine cannot go on.
  var lostState: PassFailure?
  var fairShare = FairShare()
  /// Both in order of priority and arrival.
  var waiting: [SequenceState] = []
  var running: [SequenceState] = []
  /// Those whose readers do not keep up, in the order in which they were set aside.
  var paused: [SequenceState] = []
  var view = SchedulerView()
  var plan = StepPlan()
  var decodePass: LanePass
  /// The prefill under way, if it has entries.
  var prefillPass: LanePass
  /// Layers that the prefill has yet to go through.
  var prefillLayers = 0
  var drafter: Drafter
  /// Rows whose logits are wanted, and one block of them.
  var samples: [SampledRow] = []
  var sampledRows: [Int] = []

  /// - Parameters:
  ///   - clock: nanoseconds of a monotonic clock, for measuring what steps cost.
  package init(
    model: Model, limits: EngineLimits, inbox: EngineInbox,
    monitor: EngineMonitor = EngineMonitor(),
    clock: @escaping () -> UInt64 = { MonotonicClock.nanoseconds }
  ) {
    self.model = model
    self.limits = limits
    self.inbox = inbox
    self.monitor = monitor
    self.clock = clock
    scheduler = Scheduler(limits: limits, layerCount: model.layerCount)
    pool = LatentPool(pageCount: limits.pageCount, cachesPrefixes: limits.cachesPrefixes)
    drafter = Drafter(limits, canDraft: model.canDraft)
    decodePass = LanePass(
      .decode, rows: limits.decodeRows, sequences: limits.maxSequences,
      coin: limits.acceptanceCoin)
    prefillPass = LanePass(.prefill, rows: limits.prefillChunk, sequences: limits.maxSequences)
    running.reserveCapacity(limits.maxSequences)
    view.running.reserveCapacity(limits.maxSequences)
    samples.reserveCapacity(limits.decodeRows)
    sampledRows.reserveCapacity(limits.decodeRows)
    monitor.reserve(rows: limits.decodeRows)
  }

  /// Runs until the inbox is stopped.
  func run() {
    while true {
      switch step() {
      case .worked: continue
      case .idle: inbox.wait()
      case .stopped: return
      }
    }
  }

  /// One round of the loop; never waits.
  package func step() -> EngineProgress {
    guard takeSubmissions() else { return .stopped }
    makePlan()
    guard !plan.isEmpty else {
      precondition(running.isEmpty && waiting.isEmpty, "sequences are left behind")
      precondition(invariantViolation == nil, "the latent pool lost or shared a page")
      report()
      monitor.rest()
      return .idle
    }
    monitor.beat()
    let start = clock()
    runLanes()
    if let lostState {
      giveUp(lostState)
      return .stopped
    }
    sampleLanes()
    let (rows, tokens) = (decodePass.rowCount, decodePass.drawnTokens)
    recordStepTokens()
    publish()
    recordWholeStep(rows: rows, tokens: tokens, since: start)
    report()
    return .worked
  }

  /// Takes what came in. False when the engine is to end.
  private func takeSubmissions() -> Bool {
    guard let news = inbox.take() else { return true }
    for submission in news.submissions {
      enqueue(SequenceState(submission, limits.promptAttention))
    }
    resume(news.resumptions)
    cancel(news.cancellations)
    return !news.isStopping
  }

  private func makePlan() {
    pauseUnread()
    admitWaiting()
    repeat {
      look()
      scheduler.plan(view, into: &plan)
      if let victim = plan.preempted { preempt(running[victim]) }
    } while plan.preempted != nil
  }

  /// What the scheduler needs to know.
  private func look() {
    view.running.removeAll(keepingCapacity: true)
    for sequence in running {
      view.running.append(
        .init(pending: sequence.pending, missingPages: sequence.missingPages))
    }
    view.availablePages = pool.availableCount
    view.prefill = prefillPass.isEmpty ? nil : (prefillPass.rowCount, prefillLayers)
  }
}
