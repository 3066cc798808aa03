// The handler's side of one request: it answers through a responder and hears through it when its
// client is gone.

import Dispatch

/// Answers requests.
public protocol RequestHandler: Sendable {
  /// Called on the connection's queue when a request's head has arrived. The answer goes through
  /// `responder`, at once or later; dropping it unanswered answers 500.
  ///
  /// Nothing is read of a body before this returns, so whoever must not send one is refused here.
  /// - Returns: what the whole request is to be given to; nil where its body is of no use.
  func handle(_ head: Request, _ responder: Responder) -> BodyHandler?
}

/// Takes the request with its body, on the connection's queue. Released uncalled when the client
/// does not send it properly, which has been answered then.
public typealias BodyHandler = (Request) -> Void

/// How the answer to a request ended.
public struct AnswerEnd: Sendable, Equatable {
  /// What was answered; nil when the client was gone before that.
  public var status: Int?
  /// Bytes of the body that were handed to the connection, before any transfer or content coding.
  public var bodyBytes = 0
  /// Why the connection answered in the handler's place: what is wrong with the body.
  public var refusal: String?
  /// Whether the client was gone, or given up, before the answer was complete.
  public var isClientGone = false
  /// The responder's `clientName`.
  public var clientName: String?

  /// Not yet.
  public init() {}
}

/// What a layer around the handler attaches to a request for the layers within.
public protocol RequestAttachment: AnyObject {}

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
  private var endHandler: (@Sendable (AnswerEnd) -> Void)?
  private var end = AnswerEnd()
  private var isStream = false

  /// Set by a layer before it passes the request on; the handler within finds it here.
  public var attachment: (any RequestAttachment)?
  /// The answer to HEAD has no body.
  private let isHead: Bool

  init(_ connection: SocketConnection, accepted: AcceptEncoding, isHead: Bool) {
    self.connection = connection
    self.accepted = accepted
    self.isHead = isHead
  }

  deinit {
    guard !isDone else { return }
    connection.abandon(commonHeaders)
    guard let endHandler else { return }
    end.status = end.status ?? Connection.abandonedStatus
    end.clientName = knownClient
    queue.async { [end] in endHandler(end) }
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

  /// Called on the queue once: before the last bytes of a complete answer leave, when it is no
  /// longer wanted, or when it will never come because its handler dropped the responder. Must not
  /// hold the responder.
  public var onEnd: (@Sendable (AnswerEnd) -> Void)? {
    get { endHandler }
    set {
      dispatchPrecondition(condition: .onQueue(queue))
      if !isDone { endHandler = newValue }
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
    dispatchPrecondition(condition: .onQueue(queue))
    if isDone { return }
    var response = response
    response.headers.append(contentsOf: commonHeaders)
    response.encode(for: accepted)
    note(status: response.status, bytes: response.body.count)
    complete()
    connection.perform { $0.respond(response) }
  }

  /// Begins an answer of unknown length: chunked, or to the end of the connection for HTTP/1.0.
  /// - Parameter filler: body bytes that mean nothing, such as a comment among events. Written
  ///   whenever the stream was silent for `HTTPTimeouts.silence`, so that nobody on the way takes
  ///   it for dead.
  public func startStream(status: Int, headers: Headers, filler: [UInt8]? = nil) {
    var headers = headers
    headers.append(contentsOf: commonHeaders)
    note(status: status, bytes: 0)
    perform { $0.startStream(status: status, headers: headers, filler: filler) }
  }

  /// The next bytes of the stream. While there is no room they should wait; beyond
  /// `HTTPLimits.writeBufferBytes` the client is given up.
  public func write(_ bytes: [UInt8]) {
    note(status: nil, bytes: bytes.count)
    perform { $0.write(bytes) }
  }

  /// Ends the stream.
  public func finish() {
    dispatchPrecondition(condition: .onQueue(queue))
    if isDone { return }
    complete()
    connection.perform { $0.finish() }
  }

  private func perform(_ event: (inout Connection) -> [Connection.Action]) {
    dispatchPrecondition(condition: .onQueue(queue))
    if !isDone { connection.perform(event) }
  }

  private func note(status: Int?, bytes: Int) {
    if isDone { return }
    end.status = status ?? end.status
    if !isHead { end.bodyBytes += bytes }
  }

  private func complete() {
    guard !isDone else { return }
    isDone = true
    roomHandler = nil
    closeHandler = nil
    let handler = endHandler
    endHandler = nil
    end.clientName = knownClient
    handler?(end)
  }

  // MARK: - From the connection

  func roomAvailable() {
    if hasRoom { roomHandler?() }
  }

  /// Answers in the handler's place.
  func refuse(_ response: Response, because reason: String) {
    end.refusal = reason
    send(response)
  }

  func clientGone() {
    if isDone { return }
    let handler = closeHandler
    end.isClientGone = true
    closeHandler = nil
    handler?()
    complete()
  }
}
