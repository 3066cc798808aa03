// What a scrape says of connections.

import HTTP
import OpenAIAPI
import Synchronization

/// The way from a scrape to the server, which is made after the handler that answers scrapes.
final class ConnectionCounts: Sendable {
  private let known = Mutex<Server?>(nil)

  /// Set once.
  var server: Server? {
    get { known.withLock { $0 } }
    set { known.withLock { $0 = newValue } }
  }

  func add(to output: inout PrometheusText) {
    guard let statistics = server?.statistics else { return }
    output.add(
      "hadal_http_connections", .gauge, "Open connections.", Double(statistics.openConnections))
    output.add(
      "hadal_http_connections_accepted_total", .counter, "Connections that were, or are, served.",
      Double(statistics.accepted))
    let refused = "hadal_http_connections_refused_total"
    output.begin(
      refused, .counter, "Connections that were not served, by what there was too much of.")
    for reason in ServerStatistics.Refusal.allCases {
      output.sample(
        refused, ("reason", reason.rawValue), value: Double(statistics.refused[reason] ?? 0))
    }
    let timedOut = "hadal_http_connections_timed_out_total"
    output.begin(timedOut, .counter, "Connections whose client took too long, by what for.")
    for kind in ServerStatistics.TimedOut.allCases {
      output.sample(
        timedOut, ("kind", kind.rawValue), value: Double(statistics.timedOut[kind] ?? 0))
    }
  }
}
