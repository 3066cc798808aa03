// What the next step computes: a pure function of what is waiting, running and free.

import DeepSeek

/// The work of one step.
package struct StepPlan: Equatable {
  package struct Rows: Equatable {
    /// Index among the running sequences, those admitted by this plan included.
    package let sequence: Int
    /// How many of its pending tokens.
    package let count: Int

    package init(sequence: Int, count: Int) {
      self.sequence = sequence
      self.count = count
    }
  }

  /// How many sequences leave the head of the queue.
  package var admitted = 0
  package var rows: [Rows] = []

  package init() {}
}

/// What planning needs to know: sequences in order of arrival, and pages.
package struct SchedulerView {
  package struct Running {
    let pending: Int
    let isPrefilling: Bool

    package init(pending: Int, isPrefilling: Bool) {
      self.pending = pending
      self.isPrefilling = isPrefilling
    }
  }

  package struct Waiting {
    let promptCount: Int
    let pagesNeeded: Int

    package init(promptCount: Int, pagesNeeded: Int) {
      self.promptCount = promptCount
      self.pagesNeeded = pagesNeeded
    }
  }

  let running: [Running]
  let waiting: [Waiting]
  let freePages: Int

  package init(running: [Running], waiting: [Waiting], freePages: Int) {
    self.running = running
    self.waiting = waiting
    self.freePages = freePages
  }
}

/// First come, first served: every running answer advances by a token; prompts share one chunk in
/// order of arrival; a sequence is admitted when all pages it may ever need are free, so that no
/// running sequence can be left without. An answer without a length limit thus waits for the pages
/// of a whole context.
package struct Scheduler {
  let limits: EngineLimits

  package init(limits: EngineLimits) { self.limits = limits }

  package func plan(_ view: SchedulerView) -> StepPlan {
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
