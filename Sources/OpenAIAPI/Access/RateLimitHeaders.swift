// Rate limits in the words of the OpenAI API (its guide to rate limits, "Rate limits in headers").

import HTTP

package enum RateLimitHeaders {
  /// What is left of a bucket, as header fields.
  static func fields(_ gauge: RateLimiter.Gauge, of unit: String) -> [(String, String)] {
    [
      ("x-ratelimit-limit-\(unit)", "\(gauge.limit)"),
      ("x-ratelimit-remaining-\(unit)", "\(gauge.remaining)"),
      ("x-ratelimit-reset-\(unit)", duration(gauge.reset)),
    ]
  }

  /// A duration as OpenAI writes it: `6m0s`, `1s`, `20ms`; rounded up.
  package static func duration(_ nanoseconds: UInt64) -> String {
    let milliseconds = ceiling(nanoseconds, 1_000_000)
    if milliseconds < 1000 { return milliseconds == 0 ? "0s" : "\(milliseconds)ms" }
    let seconds = ceiling(nanoseconds, 1_000_000_000)
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
    var text = hours > 0 ? "\(hours)h" : ""
    if seconds >= 60 { text += "\(minutes)m" }
    return text + "\(seconds % 60)s"
  }

  /// When to come again: whole seconds (RFC 9110, section 10.2.3), and milliseconds, which the
  /// OpenAI clients prefer.
  static func retryAfter(_ nanoseconds: UInt64) -> Headers {
    [
      "Retry-After": "\(max(1, ceiling(nanoseconds, 1_000_000_000)))",
      "retry-after-ms": "\(max(1, ceiling(nanoseconds, 1_000_000)))",
    ]
  }

  private static func ceiling(_ value: UInt64, _ unit: UInt64) -> UInt64 {
    value / unit + (value % unit == 0 ? 0 : 1)
  }
}

extension APIError {
  /// - Parameters:
  ///   - name: of the client, for the message.
  ///   - requested: tokens that were asked for.
  init(_ refusal: RateLimiter.Refusal, name: String, requested: Int = 0) {
    let wait = refusal.wait ?? 1_000_000_000
    var headers = RateLimitHeaders.retryAfter(wait)
    let again = "Please try again in \(RateLimitHeaders.duration(wait))."
    let message: String
    switch refusal.kind {
    case .requests:
      headers.append("x-ratelimit-limit-requests", "\(refusal.limit)")
      headers.append("x-ratelimit-remaining-requests", "\(refusal.remaining)")
      message =
        "Rate limit reached for \(name) on requests per min (RPM): Limit \(refusal.limit). "
        + again
    case .tokens:
      message =
        "Rate limit reached for \(name) on tokens per min (TPM): Limit \(refusal.limit), "
        + "Remaining \(refusal.remaining), Requested \(requested). \(again)"
    case .concurrency:
      message =
        "Rate limit reached for \(name) on concurrent requests: Limit \(refusal.limit). \(again)"
    }
    self.init(status: 429, message: message, code: "rate_limit_exceeded", headers: headers)
  }
}
