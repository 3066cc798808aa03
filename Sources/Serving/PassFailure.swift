// What the engine does when a pass of the model comes to nothing.

/// Why a pass came to nothing. Ends the answers that were in it, and nothing else, unless what the
/// engine holds is lost with it.
public struct PassFailure: Error, Equatable, Sendable, CustomStringConvertible {
  public let description: String
  /// Whether the latents of other sequences can no longer be relied on: the engine ends.
  public let losesState: Bool

  public init(_ description: String, losesState: Bool = false) {
    self.description = description
    self.losesState = losesState
  }

  /// The model says nothing: weights or latents hold values that are no numbers.
  static let noNumbers = PassFailure("the model's logits are not finite numbers")
}

extension Engine {
  /// The decode lane's pass has come to nothing: the step has none.
  func failDecodes(_ failure: PassFailure) {
    fail(decodePass.entries, failure)
    plan.decodes.removeAll(keepingCapacity: true)
    decodePass.removeAll()
  }

  /// The prefill under way has come to nothing.
  func failPrefill(_ failure: PassFailure) {
    fail(prefillPass.entries, failure)
    plan.prefillLayers = 0
    abandonPrefill()
  }

  private func fail(_ entries: [LanePass.Entry], _ failure: PassFailure) {
    if failure.losesState { lostState = failure }
    for entry in entries {
      entry.sequence.fail(failure)
      retire(entry.sequence)
      end(entry.sequence)
    }
  }

  /// Tells the reader of a sequence that is finished how it ended.
  func end(_ sequence: SequenceState) {
    guard !sequence.isCancelled else { return }
    if let failure = sequence.failure {
      monitor.recordFailure()
      sequence.stream.send(.failed(failure), at: clock())
    } else if let reason = sequence.finished {
      monitor.recordEnd(reason)
      sequence.stream.send(.finished(reason), at: clock())
    }
  }

  /// Ends every answer, and refuses what comes later.
  func giveUp(_ failure: PassFailure) {
    monitor.fail(failure)
    monitor.rest()
    inbox.close()
    for submission in inbox.take()?.submissions ?? [] {
      enqueue(SequenceState(submission, limits.promptAttention))
    }
    for sequence in running + waiting + paused where !sequence.isCancelled {
      sequence.fail(failure)
      end(sequence)
    }
    running.removeAll()
    waiting.removeAll()
    paused.removeAll()
  }
}
