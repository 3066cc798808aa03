// How answers ended, as their clients saw it, and how long they took. The engine cannot tell: a
// stop string is found on the connection's queue, which then cancels the sequence.

import Serving
import Synchronization

/// Counts of ended answers. May be used from any thread.
final class AnswerCounts: Sendable {
  struct Counts: Equatable {
    var stopped = 0
    var lengthReached = 0
    /// The client went away.
    var aborted = 0
    /// The engine failed.
    var failed = 0
    /// Of answers that ended, not of those whose client went away.
    var spans: AnswerSpans
  }

  private let counts: Mutex<Counts>

  /// - Parameter contextLength: the most tokens of prompt and answer.
  init(contextLength: Int) {
    counts = Mutex(Counts(spans: AnswerSpans(contextLength: contextLength)))
  }

  var current: Counts { counts.withLock { $0 } }

  /// An answer has ended.
  func add(_ reason: FinishReason, _ answer: EndedAnswer) {
    counts.withLock { counts in
      counts.spans.record(answer)
      switch reason {
      case .stop: counts.stopped += 1
      case .length: counts.lengthReached += 1
      }
    }
  }

  /// All answers of a request have ended.
  func addRequest(choices: Int, longestAnswer: Int) {
    counts.withLock {
      $0.spans.choices.record(Double(choices))
      $0.spans.longestAnswer.record(Double(longestAnswer))
    }
  }

  func addFailed(_ count: Int) { counts.withLock { $0.failed += count } }
  func addAborted(_ count: Int) { counts.withLock { $0.aborted += count } }
}
