// The shell of a client connection: owns the socket and performs what the state machine asks for.

import Dispatch
import Platform

/// One socket to a server, watched by Dispatch sources.
///
/// Unchecked because all mutable state is touched on `queue` alone, which is the client's.
final class ClientConnection: @unchecked Sendable {
  private let queue: DispatchQueue
  private let onIdle: (ClientConnection) -> Void
  private let onEnd: (ClientConnection) -> Void
  /// Nil once ended.
  private var transport: Transport?
  private var state: ClientConnectionState
  private var output = OutputBuffer()
  private var readSource: (any DispatchSourceRead)?
  private var writeSource: (any DispatchSourceWrite)?
  /// The request in work.
  private var exchange: HTTPExchange?
  /// The one whose answer is complete and whom nobody has told yet.
  private var finished: HTTPExchange?
  /// When the connection must be there, or the answer complete.
  private(set) var deadline: DispatchTime = .distantFuture
  /// Since when it is unused.
  private(set) var idleSince: DispatchTime = .distantFuture

  /// Begins to connect for a first request, through a TLS session if there is one. `onIdle` is
  /// called before each end of an answer that leaves the connection to another request, `onEnd`
  /// when the socket is closed.
  init(
    to address: SocketAddress, tls: TLSSession?, queue: DispatchQueue, limits: HTTPClientLimits,
    request: [UInt8], exchange: HTTPExchange, onIdle: @escaping (ClientConnection) -> Void,
    onEnd: @escaping (ClientConnection) -> Void
  ) throws(PlatformError) {
    self.queue = queue
    self.onIdle = onIdle
    self.onEnd = onEnd
    self.exchange = exchange
    transport = Transport(try Socket.startConnecting(to: address), tls: tls)
    state = ClientConnectionState(
      limits: limits, request: request, answersHead: exchange.answersHead)
    exchange.connection = self
  }

  var isIdle: Bool { state.isIdle }

  /// Watches for the connection to be there; times out at `deadline`.
  func start(deadline: DispatchTime) {
    self.deadline = deadline
    watchWriting()
  }

  /// Another request on an idle connection.
  func start(_ request: [UInt8], _ exchange: HTTPExchange) {
    self.exchange = exchange
    exchange.connection = self
    deadline = exchange.deadline
    idleSince = .distantFuture
    perform(state.start(request: request, answersHead: exchange.answersHead))
    sendOutput()
  }

  /// Ends now, without a word to whoever gave the request in work.
  func drop() {
    exchange?.connection = nil
    exchange = nil
    abort(.closedEarly)
  }

  private func abort(_ error: HTTPClientError) { perform(state.abort(error)) }

  /// To be called every now and then: ends a connection whose time is over.
  func tick(now: DispatchTime) {
    guard now >= deadline else { return }
    abort(state.isConnecting ? .connectTimeout : .timeout)
  }

  // MARK: - Actions

  private func perform(_ actions: [ClientConnectionState.Action]) {
    dispatchPrecondition(condition: .onQueue(queue))
    for action in actions {
      switch action {
      case .send(let bytes): output.append(bytes)
      case .close: end()
      case .deliver(let event): deliver(event)
      }
    }
  }

  private func deliver(_ event: ResponseEvent) {
    let exchange = exchange
    switch event {
    case .head, .body: break
    case .end, .failed:
      self.exchange = nil
      exchange?.connection = nil
    }
    if case .end = event { finished = exchange } else { exchange?.onEvent(event) }
  }

  /// Tells of the end of an answer. Not before all that has arrived was read: the end of the
  /// connection may be right behind it, and who is told may have another request at once.
  private func tellEnd() {
    guard let exchange = finished else { return }
    finished = nil
    if isIdle {
      deadline = .distantFuture
      idleSince = .now()
      onIdle(self)
    }
    exchange.onEvent(.end)
  }

  // MARK: - The socket

  private static let readSize = 16 << 10

  /// Reads all there is, up to the limit of an answer: when the server's last bytes and a reset
  /// come at one time, Dispatch tells of both by one event and of nothing after it.
  private func receive() {
    do throws(PlatformError) {
      while transport?.wantsInput == true,
        let arrival = try transport?.receive(upTo: Self.readSize)
      {
        take(arrival)
      }
    } catch {
      abort(HTTPClientError(error))
    }
    sendOutput()
    tellEnd()
  }

  private func take(_ arrival: Transport.Arrival) {
    switch arrival.ending {
    case .torn: return abort(tornError)
    case .plainHTTP: return abort(.tls("the server does not speak TLS at this port"))
    case nil, .orderly: break
    }
    if state.isConnecting, transport?.isHandshaking == false { connected() }
    if !arrival.bytes.isEmpty { perform(state.receive(arrival.bytes)) }
    if arrival.ending == .orderly { perform(state.receive([])) }
  }

  private var tornError: HTTPClientError {
    switch transport?.failure {
    case .certificate(let reason): .certificate(reason)
    case .other(let reason): .tls(reason)
    case nil where state.isConnecting: .tls("the server ended the connection in the handshake")
    case nil: .closedEarly
    }
  }

  /// Requests can be sent.
  private func connected() {
    if let exchange { deadline = exchange.deadline }
    perform(state.connected())
  }

  /// The socket takes bytes: for the first time when the connection is there, or again.
  private func becameWritable() {
    if readSource == nil {
      do throws(PlatformError) {
        try transport?.socket.finishConnecting()
      } catch {
        return abort(HTTPClientError(error))
      }
      if transport?.failure != nil { return abort(tornError) }
      if transport?.isHandshaking == false { connected() }
      watchReading()
    }
    sendOutput()
  }

  private func sendOutput() {
    do throws(PlatformError) {
      guard try transport?.flush() != false else { return watchWriting() }
      while !output.isEmpty {
        guard let count = try transport?.send(output.unsent) else { return watchWriting() }
        output.dropFirst(count)
        state.didSend(count)
      }
    } catch {
      output.removeAll()
      state.sendFailed(HTTPClientError(error))
    }
    writeSource?.cancel()
    writeSource = nil
  }

  private func watchReading() {
    guard let socket = transport?.socket else { return }
    let source = DispatchSource.makeReadSource(fileDescriptor: socket.raw, queue: queue)
    source.setEventHandler { [weak self] in self?.receive() }
    source.setCancelHandler { withExtendedLifetime(socket) {} }
    source.activate()
    readSource = source
  }

  private func watchWriting() {
    guard let socket = transport?.socket, writeSource == nil else { return }
    let source = DispatchSource.makeWriteSource(fileDescriptor: socket.raw, queue: queue)
    source.setEventHandler { [weak self] in self?.becameWritable() }
    source.setCancelHandler { withExtendedLifetime(socket) {} }
    source.activate()
    writeSource = source
  }

  private func end() {
    transport?.farewell()
    transport = nil
    output.removeAll()
    readSource?.cancel()
    writeSource?.cancel()
    readSource = nil
    writeSource = nil
    deadline = .distantFuture
    onEnd(self)
  }
}
