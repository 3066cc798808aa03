// Bytes to requests, one at a time (RFC 9112), each in two events: its head, and all of it. A
// struct without IO: bytes go in by `append`, and `next` gives what they amount to. The outcome
// depends on the bytes alone, never on how they were split. After an error the parser must not be
// used again: where the next request begins is unknown.

struct RequestParser {
  enum Event {
    /// A request whose body, if it has one, is still to come. `awaitsLeave` tells that the client
    /// waits for 100 before it sends that (RFC 9110, section 10.1.1).
    case head(Request, awaitsLeave: Bool)
    /// The same request with its body.
    case whole(Request)
  }

  private enum State {
    case requestLine
    case headers(RequestLine)
    case body(remaining: Int)
    case chunkSize
    case chunkData(remaining: Int)
    case chunkEnd
    case trailers
  }

  private let limits: HTTPLimits
  private let peer: String
  private var input = InputBuffer()
  private var state = State.requestLine
  private var isAfterBlankLine = false
  private var headers = Headers()
  private var headerCount = 0
  private var headerBytes = 0
  private var request: Request?

  init(limits: HTTPLimits, peer: String) {
    self.limits = limits
    self.peer = peer
  }

  /// Bytes received and not yet part of a request.
  var bufferedBytes: Int { input.count }

  /// Bytes of requests that are not complete.
  var heldBytes: Int { input.count + (request?.body.count ?? 0) }

  /// Lets go of everything; to be called when nothing more will be asked of the parser.
  mutating func discard() {
    input = InputBuffer()
    request = nil
  }

  /// Whether nothing of a request has come.
  var isBetweenRequests: Bool {
    if case .requestLine = state { return input.count == 0 && !isAfterBlankLine }
    return false
  }

  mutating func append(_ bytes: [UInt8]) { input.append(bytes) }

  /// The next event, nil when more bytes are needed.
  mutating func next() throws(RequestError) -> Event? {
    while true {
      switch state {
      case .requestLine:
        guard try parseRequestLine() else { return nil }
      case .headers(let line):
        guard let field = try takeHeaderLine() else { return nil }
        if !field.isEmpty {
          try headers.append(line: field)
        } else {
          return try finishHead(line)
        }
      case .body(let remaining):
        guard moveBody(remaining) == remaining else { return nil }
        return finishRequest()
      case .chunkSize:
        guard try parseChunkSize() else { return nil }
      case .chunkData(let remaining):
        guard moveBody(remaining) == remaining else { return nil }
        state = .chunkEnd
      case .chunkEnd:
        guard let line = try takeLine(limit: 0, orThrow: .malformed("malformed chunk")) else {
          return nil
        }
        guard line.isEmpty else { throw .malformed("malformed chunk") }
        state = .chunkSize
      case .trailers:
        guard let field = try takeHeaderLine() else { return nil }
        if field.isEmpty { return finishRequest() }
        // Checked for form, then dropped: nothing here reads trailers, and merging them into the
        // header is what RFC 9110, section 6.5.1 warns of.
        var trailer = Headers()
        try trailer.append(line: field)
      }
    }
  }

  private mutating func takeLine(
    limit: Int, orThrow tooLong: RequestError
  ) throws(RequestError) -> ArraySlice<UInt8>? {
    switch input.takeLine(limit: limit) {
    case .complete(let line): return line
    case .incomplete: return nil
    case .tooLong: throw tooLong
    case .bareLineFeed: throw .malformed("a line ends without a carriage return")
    }
  }

  // MARK: - Head

  /// Room in a request line for what is not target: the longest method, two spaces, the version.
  private static let lineOverhead = 32

  private mutating func parseRequestLine() throws(RequestError) -> Bool {
    let limit = limits.targetBytes + Self.lineOverhead
    guard let line = try takeLine(limit: limit, orThrow: .targetTooLong(limits)) else {
      return false
    }
    // One empty line before a request is forgiven (RFC 9112, section 2.2).
    if line.isEmpty, !isAfterBlankLine {
      isAfterBlankLine = true
      return true
    }
    state = .headers(try RequestLine(line, limits: limits))
    isAfterBlankLine = false
    headers = Headers()
    headerCount = 0
    headerBytes = 0
    return true
  }

  private mutating func takeHeaderLine() throws(RequestError) -> ArraySlice<UInt8>? {
    let tooLarge = RequestError.headersTooLarge(limits)
    guard let line = try takeLine(limit: limits.headerBytes - headerBytes, orThrow: tooLarge)
    else { return nil }
    if !line.isEmpty {
      headerCount += 1
      headerBytes += line.count
      guard headerCount <= limits.headerCount else { throw tooLarge }
    }
    return line
  }

  /// Sets up the body's state.
  private mutating func finishHead(_ line: RequestLine) throws(RequestError) -> Event {
    let framing = try headers.framing(of: line, limits: limits)
    let request = Request(
      method: line.method, target: line.target, path: line.path, query: line.query,
      minorVersion: line.minorVersion, headers: headers, peer: peer)
    switch framing {
    case .length(let length): state = .body(remaining: length)
    case .chunked: state = .chunkSize
    }
    // An expectation of an HTTP/1.0 client is ignored (RFC 9110, section 10.1.1).
    let expectations = line.minorVersion == 0 ? [] : headers.list("expect")
    guard expectations.allSatisfy({ $0 == "100-continue" }) else {
      throw RequestError(status: 417, message: "expectation not supported")
    }
    self.request = request
    return .head(request, awaitsLeave: !expectations.isEmpty && framing != .length(0))
  }

  // MARK: - Body

  private mutating func finishRequest() -> Event {
    guard let request else { preconditionFailure("a body without a head") }
    self.request = nil
    state = .requestLine
    return .whole(request)
  }

  /// Moves what is there of the `remaining` bytes into the body, counts them off in the state and
  /// returns their number.
  private mutating func moveBody(_ remaining: Int) -> Int {
    guard var request = request.take() else { preconditionFailure("a body without a head") }
    let moved = input.move(upTo: remaining, to: &request.body)
    self.request = consume request
    switch state {
    case .body: state = .body(remaining: remaining - moved)
    default: state = .chunkData(remaining: remaining - moved)
    }
    return moved
  }

  private static let chunkLineLimit = 256

  private mutating func parseChunkSize() throws(RequestError) -> Bool {
    let malformed = RequestError.malformed("malformed chunk size")
    guard let line = try takeLine(limit: Self.chunkLineLimit, orThrow: malformed) else {
      return false
    }
    guard let chunk = ChunkLine(line) else { throw malformed }
    // Extensions are header bytes in disguise, so they share that budget (section 7.1.1).
    headerBytes += chunk.extensionBytes
    guard headerBytes <= limits.headerBytes else { throw .headersTooLarge(limits) }
    let room = limits.bodyBytes - (request?.body.count ?? 0)
    guard let size = chunk.size(upTo: room) else { throw .bodyTooLarge(limits) }
    state = size == 0 ? .trailers : .chunkData(remaining: size)
    return true
  }
}
