// Sums what a run's requests were: everything a report says, in bounded memory.

package struct Recorder {
  /// Answers of one kind of failure.
  package struct FailureCount: Sendable {
    package var count = 0
    /// What the server said about the first.
    package var message: String?
    package var withRetryAfter = 0
    /// Smallest and largest number of seconds, where given in seconds.
    package var retryAfterSeconds: ClosedRange<Int>?
  }

  private let goals: LatencyGoals

  package private(set) var started = 0
  package private(set) var warmup = 0
  package private(set) var succeeded = 0
  package private(set) var cancelled = 0
  package private(set) var good = 0
  package private(set) var failures: [Failure: FailureCount] = [:]
  /// Failures of kinds beyond the limit.
  package private(set) var otherFailures = 0
  package private(set) var promptTokens = 0
  package private(set) var outputTokens = 0
  package private(set) var cachedTokens: Int?
  /// Answers with token counts of the server's own.
  package private(set) var withUsage = 0
  package private(set) var timeToFirstToken = LatencyHistogram()
  package private(set) var interEvent = LatencyHistogram()
  package private(set) var timePerOutputToken = LatencyHistogram()
  package private(set) var endToEnd = LatencyHistogram()
  package private(set) var timeline = Timeline()
  /// When the first counted request was due and the last was over.
  package private(set) var firstStart: UInt64?
  package private(set) var lastEnd: UInt64 = 0

  package init(goals: LatencyGoals) { self.goals = goals }

  /// Answers of 429 and 503.
  package var refused: Int { failures.filter(\.key.isRefusal).values.reduce(0) { $0 + $1.count } }
  /// All others that are none.
  package var failed: Int {
    failures.filter { !$0.key.isRefusal }.values.reduce(otherFailures) { $0 + $1.count }
  }

  /// A request was sent.
  package mutating func start(_ start: LoadDirector.Start) {
    guard start.isCounted else {
      warmup += 1
      return
    }
    started += 1
    let first = firstStart ?? start.intended
    firstStart = first
    timeline.at(start.intended - first) { $0.started += 1 }
  }

  /// A counted request is over.
  package mutating func record(_ request: RequestRecord) {
    if request.failure == .cancelled {
      cancelled += 1
      return
    }
    lastEnd = max(lastEnd, request.ended)
    if let failure = request.failure {
      recordFailure(request, failure)
    } else {
      recordSuccess(request)
    }
  }

  /// The time of a point of the timeline.
  private func offset(_ time: UInt64) -> UInt64 {
    let first = firstStart ?? 0
    return time > first ? time - first : 0
  }

  private mutating func recordFailure(_ request: RequestRecord, _ failure: Failure) {
    timeline.at(offset(request.ended)) {
      if failure.isRefusal { $0.refused += 1 } else { $0.failed += 1 }
    }
    guard failures[failure] != nil || failures.count < LoadLimits.failureKinds else {
      otherFailures += 1
      return
    }
    var entry = failures[failure] ?? FailureCount()
    entry.count += 1
    entry.message = entry.message ?? request.message?.printable(limit: LoadLimits.messageLength)
    if let value = request.retryAfter {
      entry.withRetryAfter += 1
      if let seconds = Int(value), seconds >= 0 {
        let known = entry.retryAfterSeconds ?? seconds...seconds
        entry.retryAfterSeconds =
          min(known.lowerBound, seconds)...max(known.upperBound, seconds)
      }
    }
    failures[failure] = entry
  }

  private mutating func recordSuccess(_ request: RequestRecord) {
    succeeded += 1
    if request.meets(goals) { good += 1 }
    outputTokens += request.outputTokens
    if let usage = request.usage {
      withUsage += 1
      promptTokens += usage.promptTokens
      if let cached = usage.cachedTokens { cachedTokens = (cachedTokens ?? 0) + cached }
    }
    endToEnd.record(nanoseconds: request.endToEnd)
    if let latency = request.timeToFirstToken { timeToFirstToken.record(nanoseconds: latency) }
    for gap in request.gaps { interEvent.record(nanoseconds: gap) }
    let perToken = request.timePerOutputToken
    if let perToken { timePerOutputToken.record(nanoseconds: perToken) }
    timeline.at(offset(request.ended)) { point in
      point.succeeded += 1
      point.endToEnd.record(nanoseconds: request.endToEnd)
      if let perToken { point.interToken.record(nanoseconds: perToken) }
    }
    spreadTokens(request)
  }

  /// Puts the tokens at the times of the events that brought them.
  private mutating func spreadTokens(_ request: RequestRecord) {
    guard let firstToken = request.firstToken, let latency = request.timeToFirstToken else {
      let tokens = Double(request.outputTokens)
      return timeline.at(offset(request.ended)) { $0.outputTokens += tokens }
    }
    let share = Double(request.outputTokens) / Double(request.tokenEvents)
    timeline.at(offset(firstToken)) { point in
      point.timeToFirstToken.record(nanoseconds: latency)
      point.outputTokens += share
    }
    var time = firstToken
    for gap in request.gaps {
      time += gap
      timeline.at(offset(time)) { $0.outputTokens += share }
    }
  }
}
