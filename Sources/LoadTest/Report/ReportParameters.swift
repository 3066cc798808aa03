// The parameters of a run in the words of the command line's options.

import HTTP
import JSON

extension LoadReport {
  /// What was asked for, by option. Keys and values of headers stay out: they may be secrets.
  var parameters: JSONObject {
    var object = JSONObject()
    switch plan.pace.mode {
    case .closed(let concurrency): object["concurrency"] = .integer(concurrency)
    case .open(let rate, let arrivals):
      object["rate"] = .double(rate)
      object["arrivals"] = .string(arrivals.rawValue)
      object["max_outstanding"] = .integer(plan.pace.maxOutstanding)
    }
    if let requests = plan.pace.requests { object["requests"] = .integer(requests) }
    if let duration = plan.pace.duration { object["duration"] = .double(duration) }
    if plan.pace.warmupRequests > 0 {
      object["warmup_requests"] = .integer(plan.pace.warmupRequests)
    }
    if plan.pace.warmupSeconds > 0 { object["warmup_seconds"] = .double(plan.pace.warmupSeconds) }
    let traffic = plan.traffic
    object["endpoint"] = .string(traffic.endpoint.rawValue)
    object["stream"] = .bool(traffic.isStreamed)
    object["prompt_tokens"] = .string(traffic.promptTokens.description)
    object["max_tokens"] = .string(traffic.maxTokens.description)
    object["shared_prefix"] = .double(traffic.sharedPrefix)
    object["turns"] = .integer(traffic.turns)
    if let tokenIDs = traffic.tokenIDs { object["token_ids"] = .integer(tokenIDs) }
    if let temperature = traffic.temperature { object["temperature"] = .double(temperature) }
    object["ignore_eos"] = .bool(traffic.ignoresEnd)
    // Seeds beyond 2^53 would not survive readers that know only doubles.
    object["seed"] = .string(String(traffic.seed))
    object["timeout"] = .double(plan.timeouts.answer)
    return object
  }
}
