// What is known of one request when it is over. Times are nanoseconds since the run began.

package struct RequestRecord {
  /// When it was due.
  package let intended: UInt64
  package let ended: UInt64
  /// Nil for a whole answer.
  package let failure: Failure?
  package var firstToken: UInt64?
  package var lastToken: UInt64 = 0
  /// Events with a piece of answer in them, and the nanoseconds between them.
  package var tokenEvents = 0
  package var gaps: [UInt64] = []
  package var usage: AnswerReader.Usage?
  /// The Retry-After field of an answer that is none.
  package var retryAfter: String?
  /// What the server said about its failure.
  package var message: String?

  package init(intended: UInt64, ended: UInt64, failure: Failure?) {
    self.intended = intended
    self.ended = ended
    self.failure = failure
  }

  package var endToEnd: UInt64 { ended - intended }
  package var timeToFirstToken: UInt64? { firstToken.map { $0 - intended } }

  /// Tokens of the answer: what the server counted, or else one for each event.
  package var outputTokens: Int { usage?.completionTokens ?? tokenEvents }

  /// Mean nanoseconds from one token to the next; nil for answers of fewer than two tokens and for
  /// those that came in one piece.
  package var timePerOutputToken: UInt64? {
    guard let firstToken, outputTokens > 1, tokenEvents > 1 else { return nil }
    return (lastToken - firstToken) / UInt64(outputTokens - 1)
  }

  /// Whether an answer keeps to all goals. One that cannot be judged, because it has no second
  /// token or is not streamed, breaks no goal of what it does not have.
  package func meets(_ goals: LatencyGoals) -> Bool {
    func keeps(_ nanoseconds: UInt64?, _ goal: Double?) -> Bool {
      guard let nanoseconds, let goal else { return true }
      return Double(nanoseconds) <= goal * 1e6
    }
    return failure == nil && keeps(timeToFirstToken, goals.timeToFirstToken)
      && keeps(timePerOutputToken, goals.interToken) && keeps(endToEnd, goals.endToEnd)
  }
}
