// One client connection as a state machine without IO (RFC 9112, section 9). Its shell tells it
// what happened and performs the actions that come back, in order. One request at a time: a client
// that measures must not wait behind an answer of another request.

package struct ClientConnectionState {
  package enum Action: Equatable {
    /// Append to the unsent bytes.
    case send([UInt8])
    /// Hand on to whoever gave the request. After an end or a failure the connection takes
    /// another request, unless it was closed before.
    case deliver(ResponseEvent)
    case close
  }

  private enum Phase {
    /// With the request that waits for the connection.
    case connecting(request: [UInt8])
    case exchanging
    case idle
    case closed
  }

  private let limits: HTTPClientLimits
  private var phase = Phase.idle
  private var parser: ResponseParser
  private var unsent = 0
  /// Why the rest of the request could not be sent. A server that refuses a request early closes
  /// its side, and its answer may still be there to be read (RFC 9112, section 9.5).
  private var sendError: HTTPClientError?

  /// A connection that is being made, for the request of these bytes.
  package init(limits: HTTPClientLimits, request: [UInt8], answersHead: Bool) {
    self.limits = limits
    phase = .connecting(request: request)
    parser = ResponseParser(limits: limits, answersHead: answersHead)
  }

  /// Whether another request may be started.
  package var isIdle: Bool {
    if case .idle = phase { return true }
    return false
  }

  package var isConnecting: Bool {
    if case .connecting = phase { return true }
    return false
  }

  /// Another request on a connection that is idle.
  package mutating func start(request: [UInt8], answersHead: Bool) -> [Action] {
    precondition(isIdle, "a request on a busy connection")
    phase = .exchanging
    parser = ResponseParser(limits: limits, answersHead: answersHead)
    unsent = request.count
    return [.send(request)]
  }

  /// The connection is there.
  package mutating func connected() -> [Action] {
    guard case .connecting(let request) = phase else { return [] }
    phase = .exchanging
    unsent = request.count
    return [.send(request)]
  }

  /// `count` of the unsent bytes were taken by the system.
  package mutating func didSend(_ count: Int) {
    precondition(count <= unsent, "more bytes sent than there were")
    unsent -= count
  }

  /// The system takes no more bytes.
  package mutating func sendFailed(_ error: HTTPClientError) { sendError = error }

  /// Bytes came; none mean the end of the server's side.
  package mutating func receive(_ bytes: [UInt8]) -> [Action] {
    switch phase {
    case .closed: return []
    case .idle, .connecting:
      // A kept connection ended, or bytes that answer nothing.
      return abort(.malformed("bytes before a request"))
    case .exchanging:
      return deliver(bytes.isEmpty ? parser.receiveEnd() : parser.receive(bytes))
    }
  }

  private mutating func deliver(_ events: [ResponseEvent]) -> [Action] {
    switch events.last {
    case .end, .failed:
      // An answer may come before its request is sent; the rest would be taken for another one.
      let isKept = parser.keepsAlive && unsent == 0 && sendError == nil
      phase = isKept ? .idle : .closed
      var actions = events.map { Action.deliver($0) }
      // Before the last event, whose receiver may give the next request at once.
      if !isKept { actions.insert(.close, at: actions.count - 1) }
      return actions
    default: return events.map { .deliver($0) }
    }
  }

  /// The socket failed, the time ran out, or the request is no longer wanted.
  package mutating func abort(_ error: HTTPClientError) -> [Action] {
    defer { phase = .closed }
    switch phase {
    case .closed: return []
    case .idle: return [.close]
    case .connecting, .exchanging: return [.close, .deliver(.failed(sendError ?? error))]
    }
  }
}
