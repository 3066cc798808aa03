// A client of one server: connections made when needed, kept, and used again.

import Dispatch
import Platform

/// A request in work.
///
/// Unchecked because all mutable state is touched on the client's queue alone.
public final class HTTPExchange: @unchecked Sendable {
  let answersHead: Bool
  /// When the answer must be complete.
  let deadline: DispatchTime
  let onEvent: (ResponseEvent) -> Void
  /// The connection it is on, until its last event.
  weak var connection: ClientConnection?
  var isCancelled = false

  init(
    answersHead: Bool, deadline: DispatchTime, onEvent: @escaping (ResponseEvent) -> Void
  ) {
    self.answersHead = answersHead
    self.deadline = deadline
    self.onEvent = onEvent
  }
}

/// An HTTP/1.1 client of one server. There are as many connections as requests in work at one time,
/// no two requests share one at a time, and a request is never sent twice.
///
/// Unchecked because all mutable state is touched on `queue` alone.
public final class HTTPClient: @unchecked Sendable {
  private let url: HTTPURL
  private let address: SocketAddress
  private let authorities: TLSAuthorities?
  private let queue: DispatchQueue
  private let limits: HTTPClientLimits
  private let timeouts: HTTPClientTimeouts
  private var connections: [ObjectIdentifier: ClientConnection] = [:]
  /// Idle ones, the latest used last. Some may have ended since.
  private var idle: [ClientConnection] = []
  private var clock: (any DispatchSourceTimer)?
  /// Connections made so far.
  public private(set) var connectionCount = 0

  /// A client that looks its server's address up and connects to it when there is a request.
  /// - Parameters:
  ///   - authorities: whom an `https` server's certificate must come from; of no use otherwise.
  ///   - queue: serial; all calls must come from it, and all events come on it.
  public init(
    url: HTTPURL, authorities: TLSAuthorities? = nil, queue: DispatchQueue,
    limits: HTTPClientLimits = HTTPClientLimits(),
    timeouts: HTTPClientTimeouts = HTTPClientTimeouts()
  ) throws(PlatformError) {
    precondition(!url.isSecure || authorities != nil, "https without authorities")
    self.url = url
    self.authorities = authorities
    self.queue = queue
    self.limits = limits
    self.timeouts = timeouts
    address = try SocketAddress.resolve(host: url.host, port: url.port)
  }

  deinit { clock?.cancel() }

  /// Sends a request. `onEvent` is called on the queue, never before this returns, until an end or
  /// a failure.
  @discardableResult
  public func send(
    _ request: HTTPClientRequest, onEvent: @escaping (ResponseEvent) -> Void
  ) -> HTTPExchange {
    dispatchPrecondition(condition: .onQueue(queue))
    startClock()
    let exchange = HTTPExchange(
      answersHead: request.method == .head, deadline: .now() + timeouts.answer, onEvent: onEvent)
    let bytes = request.encoded(host: url.authority)
    if let connection = takeIdle() {
      connection.start(bytes, exchange)
    } else {
      connect(bytes, exchange)
    }
    return exchange
  }

  /// Gives a request up: its connection is closed, and no event of it follows.
  public func cancel(_ exchange: HTTPExchange) {
    dispatchPrecondition(condition: .onQueue(queue))
    exchange.isCancelled = true
    exchange.connection?.drop()
  }

  /// Closes all connections. Requests in work are given up.
  public func close() {
    dispatchPrecondition(condition: .onQueue(queue))
    for connection in connections.values { connection.drop() }
    connections = [:]
    idle = []
    clock?.cancel()
    clock = nil
  }

  // MARK: - Connections

  private func takeIdle() -> ClientConnection? {
    while let connection = idle.popLast() {
      guard connection.isIdle else { continue }
      if connection.idleSince + timeouts.idle > .now() { return connection }
      connection.drop()
    }
    return nil
  }

  private func connect(_ bytes: [UInt8], _ exchange: HTTPExchange) {
    let tls = url.isSecure ? authorities.map { TLSSession($0, host: url.host) } : nil
    do throws(PlatformError) {
      let connection = try ClientConnection(
        to: address, tls: tls, queue: queue, limits: limits, request: bytes, exchange: exchange,
        onIdle: { [weak self] in self?.idle.append($0) },
        onEnd: { [weak self] in self?.connections[ObjectIdentifier($0)] = nil })
      connections[ObjectIdentifier(connection)] = connection
      connectionCount += 1
      connection.start(deadline: min(.now() + timeouts.connect, exchange.deadline))
    } catch {
      let failure = HTTPClientError(error)
      queue.async { if !exchange.isCancelled { exchange.onEvent(.failed(failure)) } }
    }
  }

  // MARK: - Time-outs

  /// Seconds between looks at the connections' deadlines; they are late by at most this.
  private static let clockInterval = 0.1

  private func startClock() {
    if clock != nil { return }
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now() + Self.clockInterval, repeating: Self.clockInterval)
    timer.setEventHandler { [weak self] in self?.tick() }
    timer.activate()
    clock = timer
  }

  private func tick() {
    let now = DispatchTime.now()
    for connection in connections.values { connection.tick(now: now) }
    // The oldest are first, and those that have ended are of no use.
    let kept = idle.firstIndex { $0.isIdle && $0.idleSince + timeouts.idle > now } ?? idle.count
    for connection in idle[..<kept] where connection.isIdle { connection.drop() }
    idle.removeFirst(kept)
  }
}
