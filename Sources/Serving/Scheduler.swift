// What the next step computes: a pure function of what is waiting, running and free.

import DeepSeek

/// The work of one step.
struct StepPlan: Equatable {
  struct Rows: Equatable {
    /// Index among the running sequences, those admitted by this plan included.
    let sequence: Int
    /// How many of its pending tokens.
    let count: Int
  }

  /// How many sequences leave the head of the queue.
  var admitted = 0
  var rows: [Rows] = []
}

/// What planning needs to know of a sequence.
struct SchedulerView {
  struct Running {
    let pending: Int
    let isPrefilling: Bool
  }

  struct Waiting {
    let promptCount: Int
    let pagesNeeded: Int
  }

  var running: [Running]
  var waiting: [Waiting]
  var freePages: Int
}

/// First come, first served: every running answer advances by a token; prompts share one chunk in
/// order of arrival; a sequence is admitted when all pages it may ever need are free.
struct Scheduler {
  let limits: EngineLimits

  func plan(_ view: SchedulerView) -> StepPlan {
    var plan = StepPlan()
    var chunk = limits.prefillChunk
    func schedule(_ sequence: Int, pending: Int, isPrefilling: Bool) {
      let count = isPrefilling ? min(pending, chunk) : pending
      if isPrefilling { chunk -= count }
      if count > 0 { plan.rows.append(.init(sequence: sequence, count: count)) }
    }
    for (index, sequence) in view.running.enumerated() {
      schedule(index, pending: sequence.pending, isPrefilling: sequence.isPrefilling)
    }
    var freePages = view.freePages
    for waiting in view.waiting {
      let index = view.running.count + plan.admitted
      guard index < limits.maxSequences, waiting.pagesNeeded <= freePages else { break }
      freePages -= waiting.pagesNeeded
      plan.admitted += 1
      schedule(index, pending: waiting.promptCount, isPrefilling: true)
    }
    return plan
  }
}
