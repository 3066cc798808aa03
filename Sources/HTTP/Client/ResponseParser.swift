// Bytes to one answer (RFC 9112). A struct without IO. What comes out depends on the bytes alone,
// never on how they were split, except that the body may come in other pieces.

/// A part of an answer, in order: a head, pieces of body, and an end or a failure.
public enum ResponseEvent: Sendable, Equatable {
  case head(ResponseHead)
  /// Decoded body bytes, at least one.
  case body([UInt8])
  /// The answer is complete.
  case end
  /// There will be no more of this answer.
  case failed(HTTPClientError)
}

package struct ResponseParser {
  private enum State {
    case statusLine
    case headers(ResponseHead)
    case body(remaining: Int)
    case untilClose
    case chunkSize
    case chunkData(remaining: Int)
    case chunkEnd
    case trailers
    case over
  }

  private let limits: HTTPClientLimits
  private let answersHead: Bool
  private var input = InputBuffer()
  private var state = State.statusLine
  /// A header line that a continuation line may still extend.
  private var pendingField: [UInt8] = []
  private var headerBytes = 0
  private var headerCount = 0
  private var interimCount = 0
  private var bodyBytes = 0
  private var mayKeepAlive = false

  /// - Parameter answersHead: whether the request was HEAD, whose answer has no body.
  package init(limits: HTTPClientLimits, answersHead: Bool) {
    self.limits = limits
    self.answersHead = answersHead
  }

  /// Whether the connection is at the beginning of another answer: this one ended by its own
  /// framing, nothing came after it, and the server did not ask to close.
  package var keepsAlive: Bool {
    if case .over = state { return mayKeepAlive && input.count == 0 }
    return false
  }

  /// Takes the next bytes. Nothing may follow an end or a failure.
  package mutating func receive(_ bytes: [UInt8]) -> [ResponseEvent] {
    input.append(bytes)
    var events: [ResponseEvent] = []
    var body: [UInt8] = []
    var outcome: ResponseEvent?
    do throws(HTTPClientError) {
      while try step(&events, &body) {}
      if case .over = state { outcome = .end }
    } catch {
      state = .over
      mayKeepAlive = false
      outcome = .failed(error)
    }
    if !body.isEmpty { events.append(.body(body)) }
    if let outcome { events.append(outcome) }
    return events
  }

  /// The server ended its side.
  package mutating func receiveEnd() -> [ResponseEvent] {
    mayKeepAlive = false
    defer { state = .over }
    if case .untilClose = state { return [.end] }
    return [.failed(.closedEarly)]
  }

  /// One step; false when more bytes are needed or the answer is over.
  private mutating func step(
    _ events: inout [ResponseEvent], _ body: inout [UInt8]
  ) throws(HTTPClientError) -> Bool {
    switch state {
    case .statusLine:
      guard let line = try takeHeaderLine() else { return false }
      state = .headers(try ResponseHead(line: line))
    case .headers(var head):
      guard let line = try takeHeaderLine() else { return false }
      if !(try continueField(line)) {
        try flushField(into: &head.headers)
        pendingField = Array(line)
      }
      state = .headers(head)
      if line.isEmpty { try finish(head, &events) }
    case .body(let remaining):
      let moved = try move(upTo: remaining, to: &body)
      state = moved == remaining ? .over : .body(remaining: remaining - moved)
      return false
    case .untilClose:
      _ = try move(upTo: .max, to: &body)
      return false
    case .chunkSize:
      guard let line = try takeLine(limit: limits.chunkLineBytes) else { return false }
      let size = try chunkSize(line)
      state = size == 0 ? .trailers : .chunkData(remaining: size)
    case .chunkData(let remaining):
      let moved = try move(upTo: remaining, to: &body)
      state = moved == remaining ? .chunkEnd : .chunkData(remaining: remaining - moved)
      return moved == remaining
    case .chunkEnd:
      let malformed = HTTPClientError.malformed("malformed chunk")
      guard let line = try takeLine(limit: 0, orThrow: malformed) else { return false }
      guard line.isEmpty else { throw malformed }
      state = .chunkSize
    case .trailers:
      guard let line = try takeHeaderLine() else { return false }
      if line.isEmpty { state = .over }
      return !line.isEmpty
    case .over: return false
    }
    return true
  }

  // MARK: - Lines

  private mutating func takeLine(
    limit: Int, orThrow tooLong: HTTPClientError = .tooLarge("a line of the header or of a chunk")
  ) throws(HTTPClientError) -> ArraySlice<UInt8>? {
    switch input.takeLine(limit: limit) {
    case .complete(let line): return line
    case .incomplete: return nil
    case .tooLong: throw tooLong
    case .bareLineFeed: throw .malformed("a line ends without a carriage return")
    }
  }

  private mutating func takeHeaderLine() throws(HTTPClientError) -> ArraySlice<UInt8>? {
    guard let line = try takeLine(limit: limits.headerBytes - headerBytes) else { return nil }
    headerBytes += line.count
    headerCount += 1
    guard headerCount <= limits.headerCount else {
      throw .tooLarge("more than \(limits.headerCount) header lines")
    }
    return line
  }

  /// Joins a continuation line to the field before it, with a space in place of the line end as
  /// RFC 9112, section 5.2 asks of a client. False for any other line.
  private mutating func continueField(
    _ line: ArraySlice<UInt8>
  ) throws(HTTPClientError) -> Bool {
    guard let first = line.first, first.isOptionalSpace else { return false }
    guard !pendingField.isEmpty else { throw .malformed("malformed header line") }
    pendingField.append(.space)
    pendingField += line.trimmed
    return true
  }

  private mutating func flushField(into headers: inout Headers) throws(HTTPClientError) {
    if pendingField.isEmpty { return }
    do throws(RequestError) {
      try headers.append(line: pendingField[...])
    } catch {
      throw .malformed(error.message)
    }
    pendingField = []
  }

  // MARK: - Head and body

  private mutating func finish(
    _ head: ResponseHead, _ events: inout [ResponseEvent]
  ) throws(HTTPClientError) {
    if head.status < 200 {
      // Nothing was asked that a switch of protocols could answer (RFC 9110, section 15.2.2).
      guard head.status != 101 else { throw .malformed("an unasked switch of protocols") }
      interimCount += 1
      guard interimCount <= limits.interimAnswers else {
        throw .tooLarge("more than \(limits.interimAnswers) interim answers")
      }
      state = .statusLine
      return
    }
    let framing = try head.framing(answersHead: answersHead)
    mayKeepAlive = head.keepsAlive && framing != .untilClose
    switch framing {
    case .length(0): state = .over
    case .length(let length): state = .body(remaining: length)
    case .chunked: state = .chunkSize
    case .untilClose: state = .untilClose
    }
    events.append(.head(head))
  }

  /// `chunk-size [ chunk-ext ]` (RFC 9112, section 7.1). Extensions are dropped.
  private func chunkSize(_ line: ArraySlice<UInt8>) throws(HTTPClientError) -> Int {
    let digits = line.prefix { $0.hexValue != nil }
    let rest = line[digits.endIndex...]
    guard !digits.isEmpty, rest.allSatisfy(\.isFieldValue),
      rest.isEmpty || rest.trimmed.first == UInt8(ascii: ";")
    else { throw .malformed("malformed chunk size") }
    var size = 0
    for digit in digits {
      size = size << 4 | Int(digit.hexValue ?? 0)
      guard size <= limits.bodyBytes else { throw .bodyTooLarge(limits) }
    }
    return size
  }

  private mutating func move(
    upTo count: Int, to body: inout [UInt8]
  ) throws(HTTPClientError) -> Int {
    let moved = input.move(upTo: count, to: &body)
    bodyBytes += moved
    guard bodyBytes <= limits.bodyBytes else { throw .bodyTooLarge(limits) }
    return moved
  }
}

extension HTTPClientError {
  static func bodyTooLarge(_ limits: HTTPClientLimits) -> HTTPClientError {
    .tooLarge("more than \(limits.bodyBytes) bytes of body")
  }
}
