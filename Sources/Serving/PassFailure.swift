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
  /// Runs a part of a pass. When it comes to nothing its sequences end, and false is returned.
  func attempt(_ lane: LanePass, _ body: () throws(PassFailure) -> Void) -> Bool {
    do throws(PassFailure) {
      try body()
      return true
    } catch {
      for entry in lane.entries where !entry.sequence.isCancelled { entry.sequence.fail(error) }
      if error.losesState { lostState = error }
      endFailed(lane.entries)
      return false
    }
  }

  private func endFailed(_ entries: [LanePass.Entry]) {
    for entry in entries {
      retire(entry.sequence)
      end(entry.sequence)
    }
  }

  /// Tells the reader of a sequence that is finished how it ended.
  func end(_ sequence: SequenceState) {
    guard !sequence.isCancelled else { return }
    if let failure = sequence.failure {
      monitor.recordFailure()
      sequence.stream.send(.failed(failure))
    } else if let reason = sequence.finished {
      monitor.recordEnd(reason)
      sequence.stream.send(.finished(reason))
    }
  }

  /// Ends every answer, and refuses what comes later.
  func giveUp(_ failure: PassFailure) {
    monitor.fail(failure)
    monitor.rest()
    inbox.close()
    for submission in inbox.take()?.submissions ?? [] { enqueue(SequenceState(submission)) }
    for sequence in running + waiting where !sequence.isCancelled {
      sequence.fail(failure)
      end(sequence)
    }
    running.removeAll()
    waiting.removeAll()
  }
}
