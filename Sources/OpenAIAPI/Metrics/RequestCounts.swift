// Requests by route and status. Routes are the server's own words, never the client's, so that no
// client can make new series.

import Synchronization

/// Counts of answered requests. May be used from any thread.
public final class RequestCounts: Sendable {
  struct Key: Hashable {
    let route: String
    let status: Int
  }

  private struct State {
    var answered: [Key: Int] = [:]
    var inFlight = 0
  }

  private let state = Mutex(State())

  /// Nothing counted yet.
  public init() {}

  /// A request has arrived.
  func begin() { state.withLock { $0.inFlight += 1 } }

  /// A request that had begun is answered, or its client is gone.
  func end(route: String, status: Int) {
    state.withLock {
      $0.inFlight -= 1
      $0.answered[Key(route: route, status: status), default: 0] += 1
    }
  }

  /// The HTTP layer refused what was no request for anybody.
  func refuse(status: Int) {
    state.withLock { $0.answered[Key(route: Self.noRoute, status: status), default: 0] += 1 }
  }

  var inFlight: Int { state.withLock { $0.inFlight } }

  /// In a fixed order.
  var answered: [(key: Key, count: Int)] {
    state.withLock { Array($0.answered) }
      .map { (key: $0.key, count: $0.value) }
      .sorted { ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status) }
  }

  // MARK: - Routes

  /// Of what was refused before it had one.
  private static let noRoute = "none"
  private static let otherRoute = "other"
  private static let models = "/v1/models/"
  private static let routes: Set = [
    "/health", "/ready", "/metrics", "/v1/models", "/tokenize", "/detokenize", "/v1/completions",
    "/v1/chat/completions",
  ]

  /// The word for a request's path.
  static func route(_ path: String) -> String {
    if routes.contains(path) { return path }
    return path.hasPrefix(models) ? models + "{model}" : otherRoute
  }
}

extension MetricsReport {
  mutating func addRequests(_ counts: RequestCounts) {
    output.labels = []
    let name = "hadal_http_requests_total"
    output.begin(name, .counter, "Answered requests; 499 where the client left before an answer.")
    for (key, count) in counts.answered {
      output.sample(
        name, ("route", key.route), ("status", "\(key.status)"), value: Double(count))
    }
    output.add(
      "hadal_http_requests_in_flight", .gauge, "Requests that are being answered.",
      Double(counts.inFlight))
  }
}
