// One HTTP/1.1 connection as a state machine without IO (RFC 9112, section 9). Its shell tells it
// what happened (bytes came, bytes left, the handler answered, time ran out) and performs the
// actions that come back, in order. Requests are parsed and answered one after the other: what a
// client pipelines waits, unparsed, until the former answer is complete.
//
// A handler is given a request's head and says whether it wants the body. Nothing is read of a body
// that it does not want, and no leave given to send it; unless such a body is already there in
// whole, its answer is the last.
//
// A client that ends its side of the stream is gone: a close cannot be told from a half-close
// until something is written, and work for nobody is what must stop. An answer that is already
// complete is still sent, so a client that shuts down its side after asking gets every answer
// that needed no waiting.

package struct Connection {
  /// What the shell has to do.
  package enum Action: Equatable {
    /// Append to the unsent bytes.
    case send([UInt8])
    /// Hand the request's head to the handler.
    case handle(Request)
    /// Hand the request with its body to the handler, which has asked for it.
    case deliver(Request)
    /// Answer this in the handler's place: the body that it has asked for cannot be had.
    case refuse(Response, because: String)
    /// The handler's request is over, unanswered or half answered.
    case clientGone
    /// A streaming handler has room to write again.
    case roomAvailable
    /// Everything is sent: end the sending side, and await the client's end.
    case shutdownWrite
    /// Drop what is unsent and close.
    case close
  }

  /// What the connection waits for from its client; each has its time-out.
  package enum Wait {
    case request, head, body, send, linger
    /// Nothing was sent for long: whatever stands between may take the stream for dead.
    case silence
    /// The client has sent its bound ahead of a running request. Nothing more is read from it, so
    /// its going could not be noticed: its end may lie behind what is unread.
    case ahead
  }

  /// A wait and a number that changes with every progress, when its time begins anew.
  package struct Deadline: Equatable {
    package let wait: Wait
    let progress: Int
  }

  private enum Phase {
    case receiving
    case responding(Exchange)
    /// The last answer is given; what comes in is dropped.
    case draining
    /// All is sent and the sending side ended. Closing at once would let the kernel answer bytes
    /// still on their way with a reset, which may destroy the answer before the client reads it
    /// (RFC 9112, section 9.6).
    case lingering
    case closed
  }

  private enum Body {
    /// Nobody has asked for it.
    case unread(awaitsLeave: Bool)
    case awaited
    case delivered
    /// Nobody will ask for it; what still comes of it is dropped.
    case dropped
  }

  /// What matters of the request that is being answered.
  private struct Exchange {
    let isHead: Bool
    let minorVersion: Int
    var keepsAlive: Bool
    var body: Body
    var stream: ResponseFraming?
    /// Written when the stream was silent for long.
    var filler: [UInt8]?
  }

  private let limits: HTTPLimits
  private let errorFormat: ErrorFormat
  private let peer: String
  private let time: @Sendable () -> Int
  private var parser: RequestParser
  private var phase = Phase.receiving
  private var isStopping = false
  private var inputEnded = false
  private var unsent = 0
  private var isFull = false
  private var requestCount = 0
  private var progress = 0
  /// Bytes sent since the last progress.
  private var sentBytes = 0
  /// Whether every answer was sent in whole when the end came.
  package private(set) var isComplete = false

  /// `time` gives seconds since 1970.
  package init(
    limits: HTTPLimits, errorFormat: ErrorFormat, peer: String, time: @escaping @Sendable () -> Int
  ) {
    self.limits = limits
    self.errorFormat = errorFormat
    self.peer = peer
    self.time = time
    parser = RequestParser(limits: limits, peer: peer)
  }

  // MARK: - State the shell reads

  /// Whether unsent bytes are few enough for a handler to write more.
  package var hasRoom: Bool { !isFull }

  /// Whether the shell should read from the socket.
  package var wantsInput: Bool {
    if inputEnded { return false }
    return switch phase {
    case .receiving: hasRoom || parser.bufferedBytes < limits.pipelinedBytes
    case .responding where isAwaitingBody: true
    case .responding: parser.bufferedBytes < limits.pipelinedBytes
    case .draining, .lingering: true
    case .closed: false
    }
  }

  /// Whether the handler waits for the body.
  private var isAwaitingBody: Bool {
    if case .responding(let exchange) = phase, case .awaited = exchange.body { return true }
    return false
  }

  /// Bytes of requests that have not come whole or wait for their turn.
  package var heldBytes: Int { parser.heldBytes }

  /// What the client is being waited for; nil while the handler works and nothing is unsent.
  package var deadline: Deadline? {
    let wait: Wait
    switch phase {
    case .closed: return nil
    case .lingering: wait = .linger
    case _ where unsent > 0: wait = .send
    case .responding where isAwaitingBody: wait = .body
    case .responding where !wantsInput: wait = .ahead
    case .responding(let exchange) where exchange.filler != nil: wait = .silence
    case .responding, .draining: return nil
    case .receiving:
      wait = !parser.isBetweenRequests ? .head : isStopping ? .linger : .request
    }
    return Deadline(wait: wait, progress: progress)
  }

  // MARK: - Events from the socket

  package mutating func receive(_ bytes: [UInt8]) -> [Action] {
    switch phase {
    case .responding(let exchange):
      if case .dropped = exchange.body { return [] }
      parser.append(bytes)
    case .receiving: parser.append(bytes)
    case .draining, .lingering, .closed: return []
    }
    return transition { connection, actions in
      connection.readBody(&actions)
      connection.parse(&actions)
    }
  }

  /// The client ended its side.
  package mutating func receiveEnd() -> [Action] {
    inputEnded = true
    switch phase {
    case .responding, .lingering: return abort()
    case .receiving, .draining:
      phase = .draining
      return transition { _, _ in }
    case .closed: return []
    }
  }

  /// `count` of the unsent bytes were taken by the system.
  package mutating func didSend(_ count: Int) -> [Action] {
    precondition(count <= unsent, "more bytes sent than there were")
    unsent -= count
    sentBytes += count
    if unsent == 0 || sentBytes >= limits.sendProgressBytes {
      sentBytes = 0
      progress += 1
    }
    return transition { connection, actions in
      guard connection.isFull, connection.unsent <= connection.limits.highWaterBytes / 2 else {
        return
      }
      connection.isFull = false
      switch connection.phase {
      case .receiving: connection.parse(&actions)
      case .responding(let exchange) where exchange.stream != nil: actions.append(.roomAvailable)
      default: break
      }
    }
  }

  /// The socket failed, or there is no more time.
  package mutating func abort() -> [Action] {
    defer { phase = .closed }
    switch phase {
    case .closed: return []
    case .responding: return [.clientGone, .close]
    default: return [.close]
    }
  }

  /// The time of the present deadline has passed.
  package mutating func timeOut() -> [Action] {
    switch deadline?.wait {
    case .head, .body: refuse(status: 408, message: "the request did not arrive in time")
    case .request, .send, .linger, .ahead: abort()
    case .silence: fill()
    case nil: []
    }
  }

  // MARK: - Events from the server

  /// Answers whatever the client sends or has sent with an error, and closes.
  package mutating func refuse(status: Int, message: String) -> [Action] {
    transition { $0.refuse(RequestError(status: status, message: message), &$1) }
  }

  /// No request after the present one; closes at once when there is none. A new connection may
  /// still ask once, for its client does not know that it came late.
  package mutating func stop() -> [Action] {
    isStopping = true
    _ = closeAfterAnswer()
    return transition { _, _ in }
  }

  // MARK: - Events from the handler; without effect when the client is gone

  /// The handler wants the body of the request whose head it was given.
  package mutating func awaitBody() -> [Action] {
    transition { connection, actions in
      guard case .responding(var exchange) = connection.phase,
        case .unread(let awaitsLeave) = exchange.body
      else { return }
      exchange.body = .awaited
      connection.phase = .responding(exchange)
      if awaitsLeave { connection.send(ResponseEncoder.continueLine, &actions) }
      connection.readBody(&actions)
    }
  }

  /// The answer to come is the last one.
  package mutating func closeAfterAnswer() -> [Action] {
    if case .responding(var exchange) = phase {
      exchange.keepsAlive = false
      phase = .responding(exchange)
    }
    return []
  }

  /// The whole answer.
  package mutating func respond(_ response: Response) -> [Action] {
    transition { $0.answer(response, &$1) }
  }

  /// The beginning of an answer whose body follows by `write` and ends by `finish`.
  /// - Parameter filler: body bytes that mean nothing, to write when the stream is silent for long.
  package mutating func startStream(
    status: Int, headers: Headers, filler: [UInt8]? = nil
  ) -> [Action] {
    transition { connection, actions in
      guard var exchange = connection.exchange(isStreaming: false) else { return }
      connection.dropBody(&exchange)
      // HTTP/1.0 knows no chunks: the end of the connection ends the body.
      let framing: ResponseFraming = exchange.minorVersion == 0 ? .untilClose : .chunked
      if framing == .untilClose { exchange.keepsAlive = false }
      exchange.stream = framing
      exchange.filler = exchange.isHead ? nil : filler
      connection.phase = .responding(exchange)
      let head = connection.head(status, headers, framing, exchange)
      connection.send(head, &actions)
    }
  }

  /// Body bytes of a stream. A handler that writes on while there is no room loses its client
  /// when the write buffer's limit is reached.
  package mutating func write(_ bytes: [UInt8]) -> [Action] {
    guard let exchange = exchange(isStreaming: true) else { return [] }
    // An empty chunk would end the body (RFC 9112, section 7.1).
    if bytes.isEmpty || exchange.isHead { return [] }
    if isFull && unsent + bytes.count > limits.writeBufferBytes { return abort() }
    return transition { connection, actions in
      let isChunked = exchange.stream == .chunked
      connection.send(isChunked ? ResponseEncoder.chunk(bytes) : bytes, &actions)
    }
  }

  private mutating func fill() -> [Action] {
    guard case .responding(let exchange) = phase, let filler = exchange.filler else { return [] }
    return write(filler)
  }

  /// The end of a stream.
  package mutating func finish() -> [Action] {
    transition { connection, actions in
      guard let exchange = connection.exchange(isStreaming: true) else { return }
      if exchange.stream == .chunked && !exchange.isHead {
        connection.send(ResponseEncoder.lastChunk, &actions)
      }
      connection.complete(exchange, &actions)
    }
  }

  /// The handler dropped the request. A started stream is cut, so that the client sees it is not
  /// whole.
  /// - Parameter headers: for the answer.
  package mutating func abandon(_ headers: Headers = [:]) -> [Action] {
    guard case .responding(let exchange) = phase else { return [] }
    if exchange.stream != nil { return abort() }
    let error = RequestError(
      status: Self.abandonedStatus, message: "the request was not answered")
    var response = errorFormat.response(error)
    response.headers.append(contentsOf: headers)
    return respond(response)
  }

  /// What a request is answered that its handler dropped.
  static let abandonedStatus = 500

  // MARK: - Steps

  /// Runs `step` and then closes down as far as the new state asks for it.
  private mutating func transition(
    _ step: (inout Connection, inout [Action]) -> Void
  ) -> [Action] {
    var actions: [Action] = []
    step(&self, &actions)
    if isStopping, requestCount > 0, case .receiving = phase, parser.isBetweenRequests {
      phase = .draining
      // Nothing was asked, so there is no answer that a reset could destroy.
      if unsent == 0 { inputEnded = true }
    }
    if case .draining = phase, unsent == 0 {
      isComplete = true
      phase = inputEnded ? .closed : .lingering
      actions.append(inputEnded ? .close : .shutdownWrite)
    }
    return actions
  }

  private mutating func parse(_ actions: inout [Action]) {
    while case .receiving = phase, hasRoom {
      do throws(RequestError) {
        switch try parser.next() {
        case nil: return
        case .whole: preconditionFailure("a body nobody has asked for")
        case .head(let request, let awaitsLeave):
          progress += 1
          requestCount += 1
          let isLast = isStopping || requestCount >= limits.requestsPerConnection
          phase = .responding(
            Exchange(
              isHead: request.method == .head, minorVersion: request.minorVersion,
              keepsAlive: request.keepsAlive && !isLast, body: .unread(awaitsLeave: awaitsLeave)))
          actions.append(.handle(request))
        }
      } catch {
        refuse(error, &actions)
      }
    }
  }

  /// Hands the body on when it is whole.
  private mutating func readBody(_ actions: inout [Action]) {
    guard isAwaitingBody, case .responding(var exchange) = phase else { return }
    do throws(RequestError) {
      guard case .whole(let request) = try parser.next() else { return }
      progress += 1
      exchange.body = .delivered
      phase = .responding(exchange)
      actions.append(.deliver(request))
    } catch {
      refuse(error, &actions)
    }
  }

  /// Lets go of a body that the answer to come does not need. The connection goes on if all of it
  /// is there already; otherwise it may be without end.
  private mutating func dropBody(_ exchange: inout Exchange) {
    switch exchange.body {
    case .delivered, .dropped: return
    case .unread, .awaited: break
    }
    if case .whole = try? parser.next() {
      exchange.body = .delivered
    } else {
      exchange.body = .dropped
      exchange.keepsAlive = false
      parser.discard()
    }
  }

  private mutating func refuse(_ error: RequestError, _ actions: inout [Action]) {
    parser.discard()
    if case .responding(var exchange) = phase, case .awaited = exchange.body {
      exchange.body = .dropped
      exchange.keepsAlive = false
      phase = .responding(exchange)
      return actions.append(.refuse(errorFormat.response(error), because: error.message))
    }
    phase = .responding(
      Exchange(isHead: false, minorVersion: 1, keepsAlive: false, body: .dropped))
    var response = errorFormat.response(error)
    if let headers = errorFormat.onRefusal?(error.status, error.message, peer) {
      response.headers.append(contentsOf: headers)
    }
    answer(response, &actions)
  }

  private mutating func answer(_ response: Response, _ actions: inout [Action]) {
    guard var exchange = exchange(isStreaming: false) else { return }
    dropBody(&exchange)
    let framing = ResponseFraming.length(response.body.count)
    var bytes = head(response.status, response.headers, framing, exchange)
    if !exchange.isHead && response.status != 204 && response.status != 304 {
      bytes += response.body
    }
    send(bytes, &actions)
    complete(exchange, &actions)
  }

  /// The request being answered. Nil when the client is gone, which its handler may not have
  /// heard of yet; any other call out of turn is the handler's mistake.
  private func exchange(isStreaming: Bool) -> Exchange? {
    switch phase {
    case .closed: return nil
    case .responding(let exchange) where (exchange.stream != nil) == isStreaming: return exchange
    default: preconditionFailure("an answer out of turn")
    }
  }

  private func head(
    _ status: Int, _ headers: Headers, _ framing: ResponseFraming, _ exchange: Exchange
  ) -> [UInt8] {
    let kept = exchange.minorVersion == 0 ? "keep-alive" : nil
    return ResponseEncoder.head(
      status: status, headers: headers, framing: framing,
      connection: exchange.keepsAlive ? kept : "close", time: time())
  }

  private mutating func send(_ bytes: [UInt8], _ actions: inout [Action]) {
    unsent += bytes.count
    if unsent >= limits.highWaterBytes { isFull = true }
    actions.append(.send(bytes))
  }

  private mutating func complete(_ exchange: Exchange, _ actions: inout [Action]) {
    progress += 1
    phase = exchange.keepsAlive ? .receiving : .draining
    parse(&actions)
  }
}
