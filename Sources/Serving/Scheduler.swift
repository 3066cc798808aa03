// What the next step computes: pure functions of what is waiting, running and free.

import DeepSeek

/// What planning needs to know of the sequences that run, in order of priority and arrival.
package struct SchedulerView {
  package struct Running: Equatable {
    /// Tokens that are known but not computed: one of them is decoded, more are prefilled.
    package let pending: Int
    /// Pages still missing for the next token.
    package let missingPages: Int

    package init(pending: Int, missingPages: Int = 0) {
      self.pending = pending
      self.missingPages = missingPages
    }
  }

  package var running: [Running] = []
  /// Pages that can be had: free ones, and cached ones that no sequence references.
  package var availablePages = 0
  /// Rows and remaining layers of the prefill under way; nil when there is none.
  package var prefill: (rows: Int, layers: Int)?
  /// Expected seconds of the decode lane's step, and of one row in one layer of a prefill; 0 where
  /// nothing was measured yet.
  package var decodeSeconds = 0.0
  package var prefillRowSeconds = 0.0

  package init() {}
}

/// The work of one step, by index among the running sequences.
package struct StepPlan: Equatable {
  package struct Chunk: Equatable {
    package let sequence: Int
    /// How many of its pending tokens.
    package let count: Int

    package init(sequence: Int, count: Int) {
      self.sequence = sequence
      self.count = count
    }
  }

  /// Pages ran out: this sequence has to give up its own, and the step is planned again.
  package var preempted: Int?
  /// Sequences that decode.
  package var decodes: [Int] = []
  /// The prefill to begin, if none is under way.
  package var chunks: [Chunk] = []
  /// Layers that the prefill advances by.
  package var prefillLayers = 0

  package init() {}

  package var isEmpty: Bool { preempted == nil && decodes.isEmpty && prefillLayers == 0 }

  mutating func removeAll() {
    preempted = nil
    decodes.removeAll(keepingCapacity: true)
    chunks.removeAll(keepingCapacity: true)
    prefillLayers = 0
  }
}

/// Every running answer decodes in every step. Prompts share a chunk in order of priority and
/// arrival; it advances by as many layers as fit into the rest of the target step time, and beside
/// running answers it has no more rows than one layer has time for. When pages run out the youngest
/// sequence goes back to waiting.
package struct Scheduler {
  let limits: EngineLimits
  let layerCount: Int

  package init(limits: EngineLimits, layerCount: Int) {
    self.limits = limits
    self.layerCount = layerCount
  }

  /// Whether a waiting sequence may begin. Each running sequence keeps a page to grow into, so that
  /// a newcomer is not the next to be preempted.
  /// - Parameters:
  ///   - neededPages: for all its known tokens and one more, less those it shares.
  ///   - revivedPages: cached pages it shares that nobody references yet.
  package func admits(
    neededPages: Int, revivedPages: Int, runningCount: Int, availablePages: Int
  ) -> Bool {
    runningCount < limits.maxSequences
      && neededPages + revivedPages + runningCount <= availablePages
  }

  package func plan(_ view: SchedulerView, into plan: inout StepPlan) {
    plan.removeAll()
    var available = view.availablePages
    for (index, sequence) in view.running.enumerated() where sequence.pending == 1 {
      guard sequence.missingPages <= available else {
        plan.preempted = view.running.count - 1
        return
      }
      available -= sequence.missingPages
      plan.decodes.append(index)
    }
    planPrefill(view, into: &plan)
  }

  /// Below this many rows a pass costs hardly less: each expert's weights are read for a few rows.
  static let leastChunk = 32

  private func planPrefill(_ view: SchedulerView, into plan: inout StepPlan) {
    let time = limits.targetStepSeconds - (plan.decodes.isEmpty ? 0 : view.decodeSeconds)
    var rows = view.prefill?.rows ?? 0
    if view.prefill == nil {
      let capacity = plan.decodes.isEmpty ? limits.prefillChunk : rowLimit(view, time: time)
      for (index, sequence) in view.running.enumerated() where sequence.pending > 1 {
        let count = min(sequence.pending, capacity - rows)
        guard count > 0 else { break }
        plan.chunks.append(.init(sequence: index, count: count))
        rows += count
      }
    }
    guard rows > 0 else { return }
    let layerSeconds = view.prefillRowSeconds * Double(max(rows, Self.leastChunk))
    let affordable = layerSeconds > 0 ? max(time / layerSeconds, 1) : 1
    plan.prefillLayers = min(
      view.prefill?.layers ?? layerCount, Int(min(affordable, Double(layerCount))))
  }

  /// Rows that go through one layer in the given time, as far as that is known.
  private func rowLimit(_ view: SchedulerView, time: Double) -> Int {
    guard view.prefillRowSeconds > 0 else { return limits.prefillChunk }
    let affordable = min(max(time / view.prefillRowSeconds, 0), Double(limits.prefillChunk))
    return min(max(Int(affordable), Self.leastChunk), limits.prefillChunk)
  }
}
