// What the engine reports of itself to other threads.

import Platform
import Synchronization

/// Statistics and the beginning of the running step. Written by the engine's thread, read by any.
package final class EngineMonitor: Sendable {
  private let state = Mutex(EngineStatistics())
  /// Nanoseconds of the monotonic clock; 0 while resting.
  private let lastStep = Atomic<UInt64>(0)

  private let failure = Mutex<PassFailure?>(nil)

  package init() {}

  package var statistics: EngineStatistics { state.withLock { $0.detached } }

  // MARK: - Pulse

  func beat() { lastStep.store(MonotonicClock.nanoseconds, ordering: .relaxed) }
  func rest() { lastStep.store(0, ordering: .relaxed) }

  /// Seconds since the running step began; nil while the engine has nothing to do.
  var age: Double? {
    let began = lastStep.load(ordering: .relaxed)
    guard began > 0 else { return nil }
    let now = MonotonicClock.nanoseconds
    return now > began ? Double(now - began) / 1e9 : 0
  }

  // MARK: - Failures

  /// Why the engine ended; nil while it lives.
  var fatalFailure: PassFailure? { failure.withLock { $0 } }
  func fail(_ failure: PassFailure) { self.failure.withLock { $0 = failure } }
  func recordFailure() { state.withLock { $0.failed += 1 } }

  // MARK: - Events

  /// Takes room for decode steps of up to so many rows, so that recording them takes none.
  func reserve(rows: Int) { state.withLock { $0.stepCosts.reserveCapacity(rows) } }

  func recordPrompt(tokens: Int, queried: Int, cached: Int) {
    state.withLock {
      $0.promptTokens += tokens
      $0.queriedPromptTokens += queried
      $0.cachedPromptTokens += cached
    }
  }

  func recordPrefill(tokens: Int, _ load: EngineStatistics.LaneLoad) {
    state.withLock {
      $0.prefilledTokens += tokens
      $0.prefillLoad += load
    }
  }

  func recordDrafting(_ load: EngineStatistics.LaneLoad) { state.withLock { $0.draftLoad += load } }
  func recordPreemption() { state.withLock { $0.preemptions += 1 } }
  func recordPause() { state.withLock { $0.pauses += 1 } }
  func recordCancellation() { state.withLock { $0.cancelled += 1 } }

  func recordEnd(_ reason: FinishReason) {
    state.withLock {
      switch reason {
      case .stop: $0.stopped += 1
      case .length: $0.lengthReached += 1
      }
    }
  }

  func recordTokens(_ count: Int) { state.withLock { $0.generatedTokens += count } }

  func recordWait(_ wait: SequenceState.Wait) {
    state.withLock {
      switch wait {
      case .first(let seconds): $0.firstTokenSeconds.record(seconds)
      case .next(let seconds): $0.interTokenSeconds.record(seconds)
      }
    }
  }

  /// - Parameter tokens: computed of prompts, and generated.
  func recordStep(tokens: Int) { state.withLock { $0.stepTokens.record(Double(tokens)) } }

  func recordDecode(rows: Int, _ load: EngineStatistics.LaneLoad) {
    state.withLock {
      $0.decodeLoad += load
      $0.decodeSteps += 1
      while $0.stepCosts.count < rows {
        $0.stepCosts.append(.init(rows: $0.stepCosts.count + 1))
      }
      $0.stepCosts[rows - 1].steps += 1
      $0.stepCosts[rows - 1].seconds += load.seconds
    }
  }

  func recordDrafts(drafted: Int, accepted: Int) {
    state.withLock {
      $0.draftRounds += 1
      for position in 0..<drafted { $0.drafts[position].drafted += 1 }
      for position in 0..<accepted { $0.drafts[position].accepted += 1 }
    }
  }

  func recordPool(
    running: Int, waiting: Int, paused: Int, free: Int, cached: Int, of total: Int
  ) {
    state.withLock {
      $0.runningSequences = running
      $0.waitingSequences = waiting
      $0.pausedSequences = paused
      $0.pageCount = total
      $0.freePages = free
      $0.cachedPages = cached
    }
  }
}
