// How answers ended, as their clients saw it. The engine cannot tell: a stop string is found on the
// connection's queue, which then cancels the sequence.

import Serving
import Synchronization

/// Counts of ended answers. May be used from any thread.
final class AnswerCounts: Sendable {
  struct Counts: Equatable {
    var stopped = 0
    var lengthReached = 0
    /// The client went away.
    var aborted = 0
  }

  private let counts = Mutex(Counts())

  var current: Counts { counts.withLock { $0 } }

  func add(_ reason: FinishReason) {
    counts.withLock { counts in
      switch reason {
      case .stop: counts.stopped += 1
      case .length: counts.lengthReached += 1
      }
    }
  }

  func addAborted(_ count: Int) { counts.withLock { $0.aborted += count } }
}
