// The listener and the set of its connections: accepting, refusing when full, stopping.

import Dispatch
import Glibc
import Platform

public struct ServerConfiguration: Sendable {
  /// Name or numeric address to listen on, IPv4 or IPv6.
  public var host: String
  /// 0 lets the system choose.
  public var port: UInt16
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
  }

  /// Binds and begins to accept. To be called once; the server must then be kept until it has
  /// stopped. Returns the port it listens on, which the system chose where none was given. Throws
  /// when the address cannot be had, or the open file limit is too low for the connections.
  @discardableResult
  public func start() throws(PlatformError) -> UInt16 {
    try FileDescriptor.allow(configuration.limits.descriptors)
    let wanted = try SocketAddress.resolve(host: configuration.host, port: configuration.port)
    let socket = try Socket.listen(at: wanted, backlog: Self.backlog)
    let port = try socket.localAddress().port
    queue.sync {
      precondition(listener == nil && !isStopping, "started twice")
      listener = socket
      startAccepting()
      startClock()
    }
    return port
  }

  /// Stops accepting and closes idle connections; running requests may finish until `deadline`,
  /// then their clients are dropped. `completion` is called when no connection is left. To be
  /// called once.
  public func stop(deadline: DispatchTime, completion: @escaping @Sendable () -> Void) {
    queue.async {
      precondition(!self.isStopping, "stopped twice")
      self.isStopping = true
      self.stopCompletion = completion
      self.stopAccepting()
      self.listener = nil
      for connection in self.served.values { connection.stop() }
      self.finishStopping()
    }
    queue.asyncAfter(deadline: deadline) {
      for connection in self.served.values { connection.abort() }
      for connection in self.refused.values { connection.abort() }
    }
  }

  private func finishStopping() {
    guard isStopping, served.isEmpty, refused.isEmpty else { return }
    clock?.cancel()
    clock = nil
    stopCompletion?()
    stopCompletion = nil
  }

  // MARK: - Accepting

  private static let backlog: Int32 = 1024
  /// Seconds without accepting after the system had no descriptor or memory for a client.
  private static let acceptPause = 0.1

  private func startAccepting() {
    guard let listener, acceptSource == nil else { return }
    let source = DispatchSource.makeReadSource(fileDescriptor: listener.raw, queue: queue)
    source.setEventHandler { [weak self] in self?.acceptWaiting() }
    source.setCancelHandler { withExtendedLifetime(listener) {} }
    source.activate()
    acceptSource = source
  }

  private func stopAccepting() {
    acceptSource?.cancel()
    acceptSource = nil
  }

  private func acceptWaiting() {
    guard let listener else { return }
    do throws(PlatformError) {
      while let (socket, peer) = try listener.accept() { admit(socket, peer) }
    } catch .systemCall(_, let code, _) where [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) {
      // The client stays in the backlog, so the source would report it at once again.
      stopAccepting()
      queue.asyncAfter(deadline: .now() + Self.acceptPause) { [weak self] in
        self?.startAccepting()
      }
    } catch {
      // The trouble of one client that came and went (accept(2)); the source reports the next.
    }
  }

  private func admit(_ socket: Socket, _ peer: SocketAddress) {
    let connection = SocketConnection(
      socket: socket, peer: peer.description, configuration: configuration, handler: handler
    ) { [weak self] in self?.remove($0) }
    if served.count < configuration.limits.connections {
      served[ObjectIdentifier(connection)] = connection
      connection.start()
    } else if refused.count < HTTPLimits.refusedConnections {
      refused[ObjectIdentifier(connection)] = connection
      connection.refuse("too many connections")
    }
  }

  private func remove(_ connection: SocketConnection) {
    queue.async {
      self.served[ObjectIdentifier(connection)] = nil
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
      for connection in served.values { connection.tick() }
      for connection in refused.values { connection.tick() }
    }
    timer.activate()
    clock = timer
  }
}
