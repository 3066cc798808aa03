// The shell of a connection: owns the socket and performs what the state machine asks for.

import Dispatch
import Glibc
import Platform
import Synchronization

/// One client's socket, watched by Dispatch sources.
///
/// Unchecked because all mutable state is touched on `queue` alone.
final class SocketConnection: @unchecked Sendable {
  /// Serial, on the pool of as many threads as there are cores.
  let queue: DispatchQueue
  /// Nil once ended: a responder that outlives its client must not keep the descriptor open.
  private var transport: Transport?
  private var socket: Socket? { transport?.socket }
  /// What tells clients apart; nil for a Unix socket's.
  let network: UInt64?
  private let handler: any RequestHandler
  private let timeouts: HTTPTimeouts
  private let counters: ServerCounters
  private let onEnd: @Sendable (SocketConnection) -> Void

  private var connection: Connection
  private var output = OutputBuffer()
  /// What this connection has added to the bytes of unfinished requests.
  private var heldBytes = 0
  private let heldLimit: Int
  private var actions: [Connection.Action] = []
  private var isPerforming = false
  /// Whether a turn of reading is to come without the system's saying so.
  private var hasMoreToRead = false
  /// Weak, so that a handler that drops its responder is noticed.
  private weak var responder: Responder?
  /// What waits for the body of the request.
  private var bodyHandler: BodyHandler?

  private var readSource: (any DispatchSourceRead)?
  private var writeSource: (any DispatchSourceWrite)?
  /// Sources whose cancellation is not done.
  private var liveSources = 0
  private var deadline: Connection.Deadline?
  /// In nanoseconds of the monotonic clock. Written on `queue`, read by the server's clock, so
  /// that idle connections cost it no turn of their queues.
  private let deadlineTime = Atomic<UInt64>(.max)

  /// `onEnd` is called on `queue`, once, when the socket is closed.
  init(
    socket: Socket, peer: SocketAddress, configuration: ServerConfiguration,
    handler: any RequestHandler, counters: ServerCounters,
    onEnd: @escaping @Sendable (SocketConnection) -> Void
  ) {
    queue = DispatchQueue(label: "http.connection", target: .global(qos: .userInitiated))
    transport = Transport(socket, tls: configuration.tls?.makeSession())
    network = peer.network
    self.counters = counters
    self.handler = handler
    timeouts = configuration.timeouts
    heldLimit = configuration.limits.heldBytes
    self.onEnd = onEnd
    connection = Connection(
      limits: configuration.limits, errorFormat: configuration.errorFormat,
      peer: peer.description,
      time: { Glibc.time(nil) })
  }

  // MARK: - From the server, on any thread

  /// Begins to serve.
  func start() { queue.async { self.perform { _ in [] } } }

  /// Answers with an error to whatever comes.
  func refuse(status: Int, message: String) {
    queue.async { self.perform { $0.refuse(status: status, message: message) } }
  }

  /// Ends after the present request.
  func stop() { queue.async { self.perform { $0.stop() } } }

  /// Ends now.
  func abort() { queue.async { self.perform { $0.abort() } } }

  /// The time-outs' clock; to be called every now and then with the monotonic clock's time.
  func tick(at time: UInt64) {
    guard time >= deadlineTime.load(ordering: .relaxed) else { return }
    queue.async {
      guard time >= self.deadlineTime.load(ordering: .relaxed) else { return }
      if let wait = self.deadline?.wait { self.counters.timeOut(wait) }
      self.perform { $0.timeOut() }
    }
  }

  // MARK: - From the responder

  /// The last reference to the responder is gone, on any thread.
  func abandon(_ headers: Headers) { queue.async { self.perform { $0.abandon(headers) } } }

  var hasRoom: Bool { connection.hasRoom }

  /// Tells the state machine an event and performs what follows. Called from within an action
  /// (a handler that answers at once), the outer call performs it.
  func perform(_ event: (inout Connection) -> [Connection.Action]) {
    dispatchPrecondition(condition: .onQueue(queue))
    actions += event(&connection)
    if isPerforming || socket == nil { return }
    isPerforming = true
    repeat {
      var next = 0
      while next < actions.count {
        let action = actions[next]
        next += 1
        perform(action)
      }
      actions.removeAll(keepingCapacity: true)
      sendOutput()
    } while !actions.isEmpty
    isPerforming = false
    if let transport {
      watch(transport)
      checkHeldBytes()
    }
  }

  /// Refuses a large request when all of them together hold too much.
  private func checkHeldBytes() {
    let held = connection.heldBytes
    guard held != heldBytes else { return }
    let all = counters.hold(held - heldBytes)
    heldBytes = held
    guard all > heldLimit, held > HTTPLimits.smallRequestBytes, deadline?.wait == .body else {
      return
    }
    counters.refuse(.memory)
    let answer = ServerStatistics.Refusal.memory.answer
    perform { $0.refuse(status: answer.status, message: answer.message) }
  }

  private func perform(_ action: Connection.Action) {
    switch action {
    case .send(let bytes): output.append(bytes)
    case .handle(let head): handle(head)
    case .deliver(let request): bodyHandler.take()?(request)
    case .refuse(let response, let reason):
      responder?.refuse(response, because: reason)
      bodyHandler = nil
    case .clientGone:
      responder?.clientGone()
      bodyHandler = nil
    // Not at once, so that an endless stream to a fast reader lets other connections run.
    case .roomAvailable: afterOthers { [weak responder] in responder?.roomAvailable() }
    case .shutdownWrite: transport?.shutdownWrite()
    case .close: end()
    }
  }

  private func handle(_ head: Request) {
    let responder = Responder(
      self, accepted: AcceptEncoding(head.headers), isHead: head.method == .head)
    self.responder = responder
    bodyHandler = handler.handle(head, responder)
    if bodyHandler != nil { actions += connection.awaitBody() }
  }

  // MARK: - The socket

  private static let readSize = 64 << 10

  /// Reads at a time before other connections have their turn.
  private static let readsPerTurn = 16

  /// Reads until nothing is left. A reset that comes together with the last bytes is reported only
  /// once, with them: who reads once per report never hears of it.
  private func receive() {
    for _ in 0..<Self.readsPerTurn where !receiveOnce() { return }
    guard !hasMoreToRead else { return }
    hasMoreToRead = true
    afterOthers {
      self.hasMoreToRead = false
      if self.readSource != nil { self.receive() }
    }
  }

  /// Calls on the queue when other connections have had their turn. A queue that something is added
  /// to while it runs goes on at once, so the way leads over the threads' common queue.
  private func afterOthers(_ body: @escaping @Sendable () -> Void) {
    DispatchQueue.global(qos: .userInitiated).async { self.queue.async(execute: body) }
  }

  /// Whether there may be more to read.
  private func receiveOnce() -> Bool {
    do throws(PlatformError) {
      guard connection.wantsInput, transport?.wantsInput == true,
        let arrival = try transport?.receive(upTo: Self.readSize)
      else { return false }
      // Performed before the end is told: what is asked may be answered without waiting.
      perform { arrival.bytes.isEmpty ? [] : $0.receive(arrival.bytes) }
      switch arrival.ending {
      case nil: return true
      case .orderly: perform { $0.receiveEnd() }
      case .torn: perform { $0.abort() }
      case .plainHTTP:
        // A client over the limit has its answer already.
        if output.isEmpty {
          perform { $0.refuse(status: 400, message: "this port speaks HTTPS, not plain HTTP") }
        } else {
          perform { _ in [] }
        }
      }
    } catch {
      perform { $0.abort() }
    }
    return false
  }

  private func sendOutput() {
    do throws(PlatformError) {
      try transport?.flush()
      while !output.isEmpty {
        guard let count = try transport?.send(output.unsent) else { return }
        output.dropFirst(count)
        actions += connection.didSend(count)
      }
    } catch {
      output.removeAll()
      actions += connection.abort()
    }
  }

  /// Watches the socket for what is wanted now, and restarts the clock when something moved.
  private func watch(_ transport: Transport) {
    let socket = transport.socket
    if (connection.wantsInput && transport.wantsInput) != (readSource != nil) {
      if let readSource {
        readSource.cancel()
        self.readSource = nil
      } else {
        let source = DispatchSource.makeReadSource(fileDescriptor: socket.raw, queue: queue)
        source.setEventHandler { [weak self] in self?.receive() }
        activate(source, holding: socket)
        readSource = source
      }
    }
    if transport.wantsOutput(!output.isEmpty) != (writeSource != nil) {
      if let writeSource {
        writeSource.cancel()
        self.writeSource = nil
      } else {
        let source = DispatchSource.makeWriteSource(fileDescriptor: socket.raw, queue: queue)
        source.setEventHandler { [weak self] in self?.perform { _ in [] } }
        activate(source, holding: socket)
        writeSource = source
      }
    }
    let awaited = transport.isHandshaking ? Self.handshake : connection.deadline
    if awaited != deadline {
      deadline = awaited
      let now = MonotonicClock.nanoseconds
      let time = deadline.map { now + UInt64(seconds($0.wait) * 1e9) } ?? .max
      deadlineTime.store(time, ordering: .relaxed)
    }
  }

  /// A source may look at the descriptor until its cancellation is done, so each holds the socket
  /// until then. The end is told after the last, so that the server counts every descriptor.
  private func activate(_ source: any DispatchSourceProtocol, holding socket: Socket) {
    liveSources += 1
    source.setCancelHandler { [self] in
      withExtendedLifetime(socket) { liveSources -= 1 }
      if self.socket == nil && liveSources == 0 { onEnd(self) }
    }
    source.activate()
  }

  /// A handshake takes no longer than a header may.
  private static let handshake = Connection.Deadline(wait: .head, progress: -1)

  private func seconds(_ wait: Connection.Wait) -> Double {
    switch wait {
    case .request: timeouts.idle
    case .head: timeouts.head
    case .body: timeouts.body
    case .send: timeouts.send
    case .linger: timeouts.linger
    case .silence: timeouts.silence
    case .ahead: timeouts.ahead
    }
  }

  private func end() {
    if connection.isComplete { transport?.farewell() }
    transport = nil
    output.removeAll()
    bodyHandler = nil
    _ = counters.hold(-heldBytes)
    heldBytes = 0
    readSource?.cancel()
    writeSource?.cancel()
    readSource = nil
    writeSource = nil
    deadlineTime.store(.max, ordering: .relaxed)
    if liveSources == 0 { onEnd(self) }
  }
}
