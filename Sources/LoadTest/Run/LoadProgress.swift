// How a run is doing, for those who watch it.

/// A moment of a run.
public struct LoadProgress: Sendable {
  /// Since the first request, warm-up included.
  public let seconds: Double
  /// Requests in work.
  public let outstanding: Int
  /// Whether requests are being counted yet.
  public let isWarmingUp: Bool
  /// Of the counted requests.
  public let started: Int
  public let succeeded: Int
  /// 429 and 503.
  public let refused: Int
  public let failed: Int
  /// Of the counted requests' answers, so far; milliseconds.
  public let timeToFirstTokenP50: Double
  public let timeToFirstTokenP99: Double
  /// Per second, of answers that were complete by now.
  public let outputTokensPerSecond: Double
}
