// Who is served: as many clients as the limits allow, in all and from one address. Pure; the server
// asks it for every client that comes, and tells it of every one that goes.

package struct ConnectionCap {
  private let total: Int
  private let perNetwork: Int
  private var served = 0
  private var byNetwork: [UInt64: Int] = [:]

  package init(_ limits: HTTPLimits) {
    total = limits.connections
    perNetwork = limits.connectionsPerAddress
  }

  /// Lets a client in, or says why not.
  /// - Parameter network: what tells clients apart; nil for those on this machine's Unix socket,
  ///   which count in all only.
  package mutating func admit(_ network: UInt64?) -> ServerStatistics.Refusal? {
    if served >= total { return .full }
    if let network {
      let count = byNetwork[network, default: 0]
      if count >= perNetwork { return .address }
      byNetwork[network] = count + 1
    }
    served += 1
    return nil
  }

  /// A client that was let in has gone.
  package mutating func leave(_ network: UInt64?) {
    served -= 1
    guard let network, let count = byNetwork[network] else { return }
    byNetwork[network] = count > 1 ? count - 1 : nil
  }
}

extension ServerStatistics.Refusal {
  /// The answer to the client. Too many from one address is that client's own doing.
  var answer: (status: Int, message: String) {
    switch self {
    case .full: (503, "too many connections")
    case .address: (429, "too many connections from this address")
    case .descriptors: (503, "too many open files")
    case .memory: (503, "too many large requests at once")
    }
  }
}
