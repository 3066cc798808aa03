// What a load test found, as values for the writers of text, JSON and HTML.

/// The outcome of a load test.
public struct LoadReport: Sendable {
  /// Where the numbers of tokens come from.
  enum TokenSource: String, Sendable {
    /// The server's own counts.
    case usage
    /// One for each event of a stream that brought a piece of answer.
    case events
    /// The first for some answers, the second for others.
    case mixed
  }

  package struct Requests: Sendable {
    package let warmup: Int
    package let started: Int
    package let succeeded: Int
    /// 429 and 503.
    package let refused: Int
    package let failed: Int
    package let cancelled: Int
    /// Of an open loop: due, but put off by the bound on requests in work, the longest of them by
    /// so many milliseconds; and not sent at all.
    package let delayed: Int
    let longestDelay: Double
    package let unsent: Int
  }

  package struct FailureRow: Sendable {
    package let failure: Failure
    package let count: Recorder.FailureCount
  }

  struct Latency: Sendable {
    let title: String
    let key: String
    let histogram: LatencyHistogram
    let summary: LatencySummary
  }

  let plan: LoadPlan
  let model: String
  /// Seconds since 1970.
  let startTime: Int
  /// From when the first counted request was due to the end of the last, or of the given time.
  let seconds: Double
  let isInterrupted: Bool
  package let requests: Requests
  /// 429 and 503, by status.
  package let refusals: [FailureRow]
  /// Other failures, the most frequent first.
  package let errors: [FailureRow]
  let otherErrors: Int
  let promptTokens: Int
  let cachedTokens: Int?
  let outputTokens: Int
  let tokenSource: TokenSource
  /// Requests that keep to all goals.
  let good: Int
  let latencies: [Latency]
  let timeline: Timeline
  let connections: Int
  /// Processor time of this program.
  let processorSeconds: Double

  /// Whether there was an error other than that the server had too much to do.
  public var hasErrors: Bool { requests.failed > 0 }

  func perSecond(_ count: Int) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

  /// Goodput's share: of all that were sent and not given up.
  var goodShare: Double {
    let judged = requests.started - requests.cancelled
    return judged > 0 ? Double(good) / Double(judged) : 0
  }
}

extension LoadReport {
  /// Facts about a run that its recorder does not know.
  struct Circumstances {
    let model: String
    let startTime: Int
    let isInterrupted: Bool
    let connections: Int
    let processorSeconds: Double
  }

  init(
    _ plan: LoadPlan, _ recorder: Recorder, _ director: LoadDirector, _ facts: Circumstances
  ) {
    self.plan = plan
    model = facts.model
    startTime = facts.startTime
    isInterrupted = facts.isInterrupted
    connections = facts.connections
    processorSeconds = facts.processorSeconds
    let first = recorder.firstStart ?? 0
    let busy = recorder.lastEnd > first ? Double(recorder.lastEnd - first) / 1e9 : 0
    // A run of a given time lasts that long, also when no request came at its end.
    seconds = facts.isInterrupted ? busy : max(busy, plan.pace.duration ?? 0)
    requests = Requests(
      warmup: recorder.warmup, started: recorder.started, succeeded: recorder.succeeded,
      refused: recorder.refused, failed: recorder.failed, cancelled: recorder.cancelled,
      delayed: director.delayedStarts, longestDelay: Double(director.longestDelay) / 1e6,
      unsent: director.unsent)
    let rows = recorder.failures.map { FailureRow(failure: $0.key, count: $0.value) }
      .sorted { ($1.count.count, $0.failure.key) < ($0.count.count, $1.failure.key) }
    refusals = rows.filter(\.failure.isRefusal)
    errors = rows.filter { !$0.failure.isRefusal }
    otherErrors = recorder.otherFailures
    promptTokens = recorder.promptTokens
    cachedTokens = recorder.cachedTokens
    outputTokens = recorder.outputTokens
    switch recorder.withUsage {
    case 0: tokenSource = .events
    case recorder.succeeded: tokenSource = .usage
    default: tokenSource = .mixed
    }
    good = recorder.good
    latencies = [
      ("Time to first token", "time_to_first_token", recorder.timeToFirstToken),
      ("Time per output token", "time_per_output_token", recorder.timePerOutputToken),
      ("Gap between events", "inter_event", recorder.interEvent),
      ("End to end", "end_to_end", recorder.endToEnd),
    ].map { title, key, histogram in
      Latency(
        title: title, key: key, histogram: histogram, summary: LatencySummary(histogram))
    }
    timeline = recorder.timeline
  }
}
