// The report as JSON, for programs. Its names are kept: new ones may join, none changes its
// meaning.

import HTTP
import JSON

extension LoadReport {
  /// One object. Latencies are in milliseconds, times of the run in seconds, rates per second; what
  /// does not exist is null.
  ///
  /// - `url`, `model`, `parameters`: what was asked for, in the words of the options
  /// - `started_at` (seconds since 1970), `seconds` (first counted start to last end),
  ///   `interrupted`
  /// - `requests`: `warmup`, `started`, `succeeded`, `refused` (429 and 503), `failed` (all other
  ///   errors), `cancelled`, `delayed` and `unsent` (see `longest_delay_ms`: the bound on requests
  ///   in work put them off)
  /// - `rates`: `requests`, `output_tokens`, `prompt_tokens` per second, of succeeded requests
  /// - `tokens`: `output`, `prompt`, `cached_prompt`, and their `source`: `usage`, `events` or
  ///   `mixed`
  /// - `latency_ms`: `time_to_first_token`, `time_per_output_token`, `inter_event`, `end_to_end`,
  ///   each with `count`, `mean`, `p50`, `p90`, `p99`, `max`
  /// - `goodput`: `goals_ms`, `requests`, `share`, `rate`; null without goals
  /// - `errors`: by kind, each with `kind`, `count`, `message`
  /// - `refusals`: by status, each with `status`, `count`, `with_retry_after`,
  ///   `retry_after_seconds` (`min`, `max`)
  /// - `timeline`: `interval_seconds` and `points`, each with `started`, `succeeded`, `refused`,
  ///   `failed`, `output_tokens`, and p50 and p99 of three latencies
  /// - `client`: `connections` made and `cpu_seconds` used by the load tester itself
  public var json: JSONValue {
    [
      "url": .string(plan.url.description), "model": .string(model),
      "parameters": .object(parameters), "started_at": .integer(startTime),
      "seconds": .double(seconds), "interrupted": .bool(isInterrupted),
      "requests": [
        "warmup": .integer(requests.warmup), "started": .integer(requests.started),
        "succeeded": .integer(requests.succeeded), "refused": .integer(requests.refused),
        "failed": .integer(requests.failed), "cancelled": .integer(requests.cancelled),
        "delayed": .integer(requests.delayed), "longest_delay_ms": .double(requests.longestDelay),
        "unsent": .integer(requests.unsent),
      ],
      "rates": [
        "requests": .double(perSecond(requests.succeeded)),
        "output_tokens": .double(perSecond(outputTokens)),
        "prompt_tokens": promptRate.map { .double($0) } ?? .null,
      ],
      "tokens": [
        "output": .integer(outputTokens),
        "prompt": tokenSource == .events ? .null : .integer(promptTokens),
        "cached_prompt": cachedTokens.map { .integer($0) } ?? .null,
        "source": .string(tokenSource.rawValue),
      ],
      "latency_ms": .object(latencyObject), "goodput": goodput,
      "errors": .array(errorObjects), "refusals": .array(refusals.map(Self.refusal)),
      "timeline": timelineObject,
      "client": [
        "connections": .integer(connections), "cpu_seconds": .double(processorSeconds),
      ],
    ]
  }

  /// Nil where the server counts no tokens.
  var promptRate: Double? { tokenSource == .events ? nil : perSecond(promptTokens) }

  private var latencyObject: JSONObject {
    var object = JSONObject()
    for latency in latencies {
      let summary = latency.summary
      object[latency.key] = [
        "count": .integer(summary.count), "mean": .double(summary.mean),
        "p50": .double(summary.p50), "p90": .double(summary.p90), "p99": .double(summary.p99),
        "max": .double(summary.maximum),
      ]
    }
    return object
  }

  private var goodput: JSONValue {
    if plan.goals.isEmpty { return .null }
    func goal(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
    return [
      "goals_ms": [
        "time_to_first_token": goal(plan.goals.timeToFirstToken),
        "time_per_output_token": goal(plan.goals.interToken),
        "end_to_end": goal(plan.goals.endToEnd),
      ],
      "requests": .integer(good), "share": .double(goodShare), "rate": .double(perSecond(good)),
    ]
  }

  private var errorObjects: [JSONValue] {
    let known = errors.map { row -> JSONValue in
      [
        "kind": .string(row.failure.key), "count": .integer(row.count.count),
        "message": row.count.message.map { .string($0) } ?? .null,
      ]
    }
    let rest: [JSONValue] =
      otherErrors == 0
      ? [] : [["kind": "other", "count": .integer(otherErrors), "message": .null]]
    return known + rest
  }

  private static func refusal(_ row: FailureRow) -> JSONValue {
    guard case .status(let status) = row.failure else { preconditionFailure("not a refusal") }
    let seconds = row.count.retryAfterSeconds
    return [
      "status": .integer(status), "count": .integer(row.count.count),
      "message": row.count.message.map { .string($0) } ?? .null,
      "with_retry_after": .integer(row.count.withRetryAfter),
      "retry_after_seconds": seconds.map {
        ["min": .integer($0.lowerBound), "max": .integer($0.upperBound)]
      } ?? .null,
    ]
  }

  private var timelineObject: JSONValue {
    let points = timeline.points.map { point -> JSONValue in
      [
        "started": .integer(point.started), "succeeded": .integer(point.succeeded),
        "refused": .integer(point.refused), "failed": .integer(point.failed),
        "output_tokens": .double(point.outputTokens),
        "time_to_first_token_ms": Self.percentiles(point.timeToFirstToken),
        "time_per_output_token_ms": Self.percentiles(point.interToken),
        "end_to_end_ms": Self.percentiles(point.endToEnd),
      ]
    }
    return [
      "interval_seconds": .double(Double(timeline.width) / 1e9), "points": .array(points),
    ]
  }

  private static func percentiles(_ histogram: LatencyHistogram) -> JSONValue {
    if histogram.isEmpty { return .null }
    return ["p50": .double(histogram.percentile(50)), "p99": .double(histogram.percentile(99))]
  }
}
