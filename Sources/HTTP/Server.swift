// The listener and the set of its connections: accepting, refusing when full, stopping.

import Dispatch
import Platform

public struct ServerConfiguration: Sendable {
  /// Name or numeric address to listen on, IPv4 or IPv6; or `unix:PATH` for a Unix socket.
  public var host: String
  /// 0 lets the system choose.
  public var port: UInt16
  public var listening = ListenOptions()
  public var limits = HTTPLimits()
  public var timeouts = HTTPTimeouts()
  public var errorFormat = ErrorFormat.plainText
  /// Nil serves plain HTTP.
  public var tls: TLSCredentials?

  /// - Parameter port: 0 lets the system pick one.
  public init(host: String = "127.0.0.1", port: UInt16 = 8080) {
    self.host = host
    self.port = port
  }
}

/// An HTTP/1.1 server.
///
/// Unchecked because all mutable state is touched on `queue` alone.
public final class Server: @unchecked Sendable {
  private let configuration: ServerConfiguration
  private let handler: any RequestHandler
  private let queue = DispatchQueue(label: "http.server")
  private var listener: Socket?
  private var acceptSource: (any DispatchSourceRead)?
  private var clock: (any DispatchSourceTimer)?
  private let counters = ServerCounters()
  private var cap: ConnectionCap
  private var served: [ObjectIdentifier: SocketConnection] = [:]
  /// Clients over the limit, until they have read their 503.
  private var refused: [ObjectIdentifier: SocketConnection] = [:]
  private var isStopping = false
  private var stopCompletion: (@Sendable () -> Void)?

  /// A server that does nothing until it is started.
  public init(configuration: ServerConfiguration, handler: any RequestHandler) {
    configuration.limits.check()
    self.configuration = configuration
    self.handler = handler
    cap = ConnectionCap(configuration.limits)
  }

  /// What the server has seen of its clients. May be called on any thread.
  public var statistics: ServerStatistics { counters.current }

  /// Binds and begins to accept. To be called once; the server must then be kept until it has
  /// stopped. Returns the port it listens on, which the system chose where none was given, and 0
  /// for a Unix socket. Throws when the address cannot be had, or the open file limit is too low
  /// for the connections.
  @discardableResult
  public func start() throws(PlatformError) -> UInt16 {
    try FileDescriptor.allow(configuration.limits.descriptors)
    let wanted = try SocketAddress.resolve(host: configuration.host, port: configuration.port)
    let socket = try Socket.listen(at: wanted, options: configuration.listening)
    let port = try socket.localAddress().port
    queue.sync {
      precondition(listener == nil && !isStopping, "started twice")
      listener = socket
      startAccepting()
      startClock()
    }
    return port
  }

  /// Serves those who wait to be accepted, then accepts no more, and closes idle connections;
  /// running requests may finish until `deadline`, then their clients are dropped. `completion` is
  /// called when no connection is left. To be called once.
  public func stop(deadline: DispatchTime, completion: @escaping @Sendable () -> Void) {
    queue.async {
      precondition(!self.isStopping, "stopped twice")
      self.isStopping = true
      self.stopCompletion = completion
      if self.acceptSource == nil { self.endListening() } else { self.stopAccepting() }
    }
    queue.asyncAfter(deadline: deadline) {
      for connection in self.served.values { connection.abort() }
      for connection in self.refused.values { connection.abort() }
    }
  }

  /// Lets in who has come until now, right before the listener closes: whoever waits there then is
  /// turned away by the system.
  private func endListening() {
    guard isStopping else { return }
    acceptWaiting()
    listener?.removeFile()
    listener = nil
    for connection in served.values { connection.stop() }
    finishStopping()
  }

  private func finishStopping() {
    guard isStopping, listener == nil, served.isEmpty, refused.isEmpty else { return }
    clock?.cancel()
    clock = nil
    stopCompletion?()
    stopCompletion = nil
  }

  // MARK: - Accepting

  /// Seconds without accepting after the system had no descriptor or memory for a client.
  private static let acceptPause = 0.1

  private func startAccepting() {
    guard let listener, acceptSource == nil, !isStopping else { return }
    let source = DispatchSource.makeReadSource(fileDescriptor: listener.raw, queue: queue)
    source.setEventHandler { [weak self] in self?.acceptWaiting() }
    source.setCancelHandler { [weak self] in
      withExtendedLifetime(listener) { self?.endListening() }
    }
    source.activate()
    acceptSource = source
  }

  private func stopAccepting() {
    acceptSource?.cancel()
    acceptSource = nil
  }

  private func acceptWaiting() {
    guard let listener else { return }
    let ending = AcceptPass.run(
      failures: Int(configuration.listening.backlog),
      next: { () throws(PlatformError) in try listener.accept() },
      admit: { socket, peer in
        let reserve = HTTPLimits.reservedDescriptors
        if FileDescriptor.areFewLeft(above: socket.raw, fewerThan: reserve) { return false }
        admit(socket, peer)
        return true
      })
    if ending == .outOfResources {
      // The source would report who still waits at once again.
      counters.refuse(.descriptors)
      pauseAccepting()
    }
  }

  private func pauseAccepting() {
    stopAccepting()
    queue.asyncAfter(deadline: .now() + Self.acceptPause) { [weak self] in
      self?.startAccepting()
    }
  }

  private func admit(_ socket: Socket, _ peer: SocketAddress) {
    let connection = SocketConnection(
      socket: socket, peer: peer, configuration: configuration, handler: handler,
      counters: counters
    ) { [weak self] in self?.remove($0) }
    guard let reason = cap.admit(peer.network) else {
      counters.open()
      served[ObjectIdentifier(connection)] = connection
      return connection.start()
    }
    counters.refuse(reason)
    if refused.count < HTTPLimits.refusedConnections {
      refused[ObjectIdentifier(connection)] = connection
      connection.refuse(status: reason.answer.status, message: reason.answer.message)
    }
  }

  private func remove(_ connection: SocketConnection) {
    queue.async {
      if self.served.removeValue(forKey: ObjectIdentifier(connection)) != nil {
        self.cap.leave(connection.network)
        self.counters.close()
      }
      self.refused[ObjectIdentifier(connection)] = nil
      self.finishStopping()
    }
  }

  // MARK: - Time-outs

  /// Seconds between looks at the connections' deadlines; they are late by at most this.
  private static let clockInterval = 0.25

  private func startClock() {
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now() + Self.clockInterval, repeating: Self.clockInterval)
    timer.setEventHandler { [weak self] in
      guard let self else { return }
      let now = MonotonicClock.nanoseconds
      for connection in served.values { connection.tick(at: now) }
      for connection in refused.values { connection.tick(at: now) }
    }
    timer.activate()
    clock = timer
  }
}
