// The report as named facts and a table of latencies, for the writers of text and HTML.

import HTTP

extension LoadReport {
  /// A line of the report.
  public struct Fact: Sendable {
    public let name: String
    public let value: String

    init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  private static func count(_ number: Int) -> String { Double(number).fixed(0) }

  /// What was asked for, in one line.
  public var headline: String {
    let load =
      switch plan.pace.mode {
      case .closed(let concurrency): "closed loop of \(concurrency)"
      case .open(let rate, let arrivals):
        "open loop of \(ChartScale.label(rate)) requests/s (\(arrivals.rawValue))"
      }
    let cut = isInterrupted ? ", interrupted" : ""
    return "\(model) at \(plan.url): \(load), \(seconds.fixed(1)) s\(cut)"
  }

  /// Everything but latencies and errors.
  public var facts: [Fact] {
    var facts = [Fact("Requests", requestText)]
    if requests.warmup > 0 { facts.append(Fact("Warm-up", "\(requests.warmup), not counted")) }
    if requests.delayed + requests.unsent > 0 { facts.append(Fact("Send bound", boundText)) }
    facts.append(Fact("Request rate", "\(perSecond(requests.succeeded).fixed(2)) /s"))
    facts.append(Fact("Output tokens", tokenText))
    if let promptRate {
      let cached = cachedTokens.map { ", \(Self.count($0)) of them cached" } ?? ""
      facts.append(
        Fact("Prompt tokens", "\(promptRate.fixed(1)) /s (\(Self.count(promptTokens))\(cached))"))
    }
    if !plan.goals.isEmpty { facts.append(Fact("Goodput", goodText)) }
    let load = seconds > 0 ? processorSeconds / seconds * 100 : 0
    facts.append(
      Fact("Load tester", "\(connections) connections, \(load.fixed(1)) % of one processor"))
    return facts
  }

  private var requestText: String {
    var parts = ["\(Self.count(requests.succeeded)) of \(Self.count(requests.started)) succeeded"]
    if requests.refused > 0 { parts.append("\(Self.count(requests.refused)) refused") }
    if requests.failed > 0 { parts.append("\(Self.count(requests.failed)) failed") }
    if requests.cancelled > 0 { parts.append("\(Self.count(requests.cancelled)) cancelled") }
    return parts.joined(separator: ", ")
  }

  private var boundText: String {
    var parts: [String] = []
    if requests.delayed > 0 {
      parts.append(
        "\(Self.count(requests.delayed)) requests sent late, "
          + "up to \(requests.longestDelay.fixed(0)) ms")
    }
    if requests.unsent > 0 { parts.append("\(Self.count(requests.unsent)) never sent") }
    return parts.joined(separator: "; ") + " (at most \(plan.pace.connections) in work)"
  }

  private var tokenText: String {
    let source =
      switch tokenSource {
      case .usage: "counted by the server"
      case .events: "events counted, the server gave no usage"
      case .mixed: "counted by the server for some answers, by events for others"
      }
    return "\(perSecond(outputTokens).fixed(1)) /s (\(Self.count(outputTokens)), \(source))"
  }

  private var goodText: String {
    let goals = [
      ("first token", plan.goals.timeToFirstToken), ("per token", plan.goals.interToken),
      ("end to end", plan.goals.endToEnd),
    ].compactMap { name, goal in goal.map { "\(name) <= \(ChartScale.label($0)) ms" } }
    return "\((goodShare * 100).fixed(1)) % of requests, \(perSecond(good).fixed(2)) /s "
      + "(\(goals.joined(separator: ", ")))"
  }

  /// Latencies in milliseconds: a header, and a row for each kind that was seen.
  public var latencyTable: [[String]] {
    let rows = latencies.filter { $0.summary.count > 0 }.map { latency in
      let summary = latency.summary
      return [latency.title]
        + [summary.p50, summary.p90, summary.p99, summary.maximum, summary.mean].map {
          $0.fixed($0 < 100 ? 2 : 1)
        } + [Self.count(summary.count)]
    }
    return [["Latency, ms", "p50", "p90", "p99", "max", "mean", "count"]] + rows
  }

  /// Refusals and errors: kind, number and what is known about them.
  public var failureTable: [[String]] {
    let refused = refusals.map { row -> [String] in
      var notes = ["Retry-After in \(Self.count(row.count.withRetryAfter))"]
      if let seconds = row.count.retryAfterSeconds {
        notes.append("\(seconds.lowerBound) to \(seconds.upperBound) s")
      }
      if let message = row.count.message { notes.append(message) }
      return [
        "refused, \(row.failure.label)", Self.count(row.count.count),
        notes.joined(separator: ", "),
      ]
    }
    let failed = errors.map { row in
      [row.failure.label, Self.count(row.count.count), row.count.message ?? ""]
    }
    let rest = otherErrors > 0 ? [["other kinds", Self.count(otherErrors), ""]] : []
    return refused + failed + rest
  }
}
