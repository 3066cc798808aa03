// The handler's side of one request: it answers through a responder and hears through it when its
// client is gone.

import Dispatch

/// Answers requests.
public protocol RequestHandler: Sendable {
  /// Called on the connection's queue when a request has arrived whole. The answer goes through
  /// `responder`, at once or later; dropping it unanswered answers 500.
  func handle(_ request: Request, _ responder: Responder)
}

/// The way to answer one request: either `send`, or `startStream`, any number of `write` and
/// `finish`. Once the client is gone every call is without effect.
///
/// Unchecked because all of it is used on `queue` alone, which every method checks; only the last
/// reference may be dropped anywhere.
public final class Responder: @unchecked Sendable {
  private let connection: SocketConnection
  private let accepted: AcceptEncoding
  /// Whether the answer is complete or no longer wanted.
  private var isDone = false
  private var commonHeaders = Headers()
  private var knownClient: String?
  private var roomHandler: (() -> Void)?
  private var closeHandler: (() -> Void)?

  init(_ connection: SocketConnection, accepted: AcceptEncoding) {
    self.connection = connection
    self.accepted = accepted
  }

  deinit {
    if !isDone { connection.abandon() }
  }

  /// The connection's serial queue.
  public var queue: DispatchQueue { connection.queue }

  /// Whether `write` is welcome: the unsent bytes are below the limit's high-water mark.
  public var hasRoom: Bool {
    dispatchPrecondition(condition: .onQueue(queue))
    return connection.hasRoom
  }

  /// Called on the queue whenever a stream that had no room has some again.
  public var onRoom: (() -> Void)? {
    get { roomHandler }
    set {
      dispatchPrecondition(condition: .onQueue(queue))
      if !isDone { roomHandler = newValue }
    }
  }

  /// Called on the queue at most once, when the client is gone before the answer is complete.
  /// Released after the answer; until then a closure that holds the responder keeps it alive.
  public var onClose: (() -> Void)? {
    get { closeHandler }
    set {
      dispatchPrecondition(condition: .onQueue(queue))
      if !isDone { closeHandler = newValue }
    }
  }

  /// Who asks, in words for logs; set by the layer that knows.
  public var clientName: String? {
    get { knownClient }
    set {
      dispatchPrecondition(condition: .onQueue(queue))
      knownClient = newValue
    }
  }

  /// The answer is the last one on its connection; to be called before it begins.
  public func closeAfterAnswer() {
    perform { $0.closeAfterAnswer() }
  }

  /// Adds a header to whatever the answer will be; for layers around the handler that answers.
  public func addHeader(_ name: String, _ value: String) {
    dispatchPrecondition(condition: .onQueue(queue))
    commonHeaders.append(name, value)
  }

  /// The whole answer, compressed if the client wants it so. The body is left away when the
  /// request's method is HEAD.
  public func send(_ response: Response) {
    var response = response
    response.headers.append(contentsOf: commonHeaders)
    response.encode(for: accepted)
    perform { $0.respond(response) }
    complete()
  }

  /// Begins an answer of unknown length: chunked, or to the end of the connection for HTTP/1.0.
  /// - Parameter filler: body bytes that mean nothing, such as a comment among events. Written
  ///   whenever the stream was silent for `HTTPTimeouts.silence`, so that nobody on the way takes
  ///   it for dead.
  public func startStream(status: Int, headers: Headers, filler: [UInt8]? = nil) {
    var headers = headers
    headers.append(contentsOf: commonHeaders)
    perform { $0.startStream(status: status, headers: headers, filler: filler) }
  }

  /// The next bytes of the stream. While there is no room they should wait; beyond
  /// `HTTPLimits.writeBufferBytes` the client is given up.
  public func write(_ bytes: [UInt8]) {
    perform { $0.write(bytes) }
  }

  /// Ends the stream.
  public func finish() {
    perform { $0.finish() }
    complete()
  }

  private func perform(_ event: (inout Connection) -> [Connection.Action]) {
    dispatchPrecondition(condition: .onQueue(queue))
    if !isDone { connection.perform(event) }
  }

  private func complete() {
    isDone = true
    roomHandler = nil
    closeHandler = nil
  }

  // MARK: - From the connection

  func roomAvailable() {
    if hasRoom { roomHandler?() }
  }

  func clientGone() {
    if isDone { return }
    let handler = closeHandler
    complete()
    handler?()
  }
}
