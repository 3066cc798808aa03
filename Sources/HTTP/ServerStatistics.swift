// What a server has seen of its clients, in numbers, readable from any thread.

import Synchronization

/// A snapshot of a server's gauges and counters. Counters count from the server's making.
public struct ServerStatistics: Sendable, Equatable {
  /// Why a client was not served.
  public enum Refusal: String, Sendable, CaseIterable {
    /// As many clients as may be served were.
    case full
    /// As many from the client's address as may be served were.
    case address
    /// The process was about to run out of descriptors.
    case descriptors
    /// Unfinished requests took all the memory that they may.
    case memory
  }

  /// What a client took too long for.
  public enum TimedOut: String, Sendable, CaseIterable {
    case idle
    case header
    case body
    case send
    /// It sent too far ahead of a request that ran for long.
    case ahead
  }

  /// Clients that are being served.
  public package(set) var openConnections = 0
  /// Bytes of requests that have not come whole or wait for their turn.
  public package(set) var heldBytes = 0
  /// Clients that were, or are, served.
  public package(set) var accepted = 0
  public package(set) var refused: [Refusal: Int] = [:]
  public package(set) var timedOut: [TimedOut: Int] = [:]

  package init() {}
}

/// The statistics as they are written, by the server's and the connections' queues.
final class ServerCounters: Sendable {
  private let state = Mutex(ServerStatistics())
  /// Bytes of unfinished requests, over all connections.
  private let held = Atomic<Int>(0)

  var current: ServerStatistics {
    var statistics = state.withLock { $0 }
    statistics.heldBytes = held.load(ordering: .relaxed)
    return statistics
  }

  func open() {
    state.withLock {
      $0.openConnections += 1
      $0.accepted += 1
    }
  }

  func close() { state.withLock { $0.openConnections -= 1 } }
  func refuse(_ reason: ServerStatistics.Refusal) {
    state.withLock { $0.refused[reason, default: 0] += 1 }
  }

  /// Adds to the bytes of unfinished requests and returns their sum.
  func hold(_ change: Int) -> Int { held.add(change, ordering: .relaxed).newValue }

  func timeOut(_ wait: Connection.Wait) {
    let kind: ServerStatistics.TimedOut
    switch wait {
    case .request: kind = .idle
    case .head: kind = .header
    case .body: kind = .body
    case .send: kind = .send
    case .ahead: kind = .ahead
    // Neither is the client's failure.
    case .silence, .linger: return
    }
    state.withLock { $0.timedOut[kind, default: 0] += 1 }
  }
}
