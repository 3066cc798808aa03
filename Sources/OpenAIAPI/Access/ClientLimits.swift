// What one client may ask for: the limits that an operator sets for everybody or for one API key.

/// Nil leaves without limit.
public struct ClientLimits: Sendable, Equatable {
  /// Requests that begin in a minute.
  public var requestsPerMinute: Int?
  /// Tokens of prompts and answers in a minute.
  public var tokensPerMinute: Int?
  /// Requests that are answered at one time.
  public var concurrentRequests: Int?

  /// - Parameters: each from 1 to `APILimits.rate`, or nil.
  public init(
    requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil, concurrentRequests: Int? = nil
  ) {
    self.requestsPerMinute = requestsPerMinute
    self.tokensPerMinute = tokensPerMinute
    self.concurrentRequests = concurrentRequests
  }

  /// These limits where they are set, else those of `defaults`.
  package func or(_ defaults: ClientLimits) -> ClientLimits {
    ClientLimits(
      requestsPerMinute: requestsPerMinute ?? defaults.requestsPerMinute,
      tokensPerMinute: tokensPerMinute ?? defaults.tokensPerMinute,
      concurrentRequests: concurrentRequests ?? defaults.concurrentRequests)
  }
}
