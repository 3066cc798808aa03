// Bytes to server-sent events (WHATWG HTML, section 9.2.6). A struct without IO: the events depend
// on the bytes alone, never on how they were split.

/// One event of a `text/event-stream`.
public struct ServerSentEvent: Sendable, Equatable {
  /// The event's type; nil where the stream names none, which means "message".
  public let name: String?
  /// The data lines, joined with line feeds.
  public let data: [UInt8]

  /// An event with these fields.
  public init(name: String? = nil, data: [UInt8]) {
    self.name = name
    self.data = data
  }
}

/// Cuts a stream into events. The fields `id` and `retry` serve a reader that connects again, which
/// this one never does, so they are dropped like unknown ones.
public struct EventStreamParser: Sendable {
  private let limit: Int
  /// The line whose end has not come yet.
  private var line: [UInt8] = []
  private var endsWithCarriageReturn = false
  private var isFirstLine = true
  private var name: [UInt8]?
  private var data: [UInt8] = []
  private var hasData = false

  /// - Parameter limits: bounds the bytes of an event.
  public init(limits: HTTPClientLimits = HTTPClientLimits()) { limit = limits.eventBytes }

  /// Whether bytes came that belong to no event yet. At the end of a stream they are lost.
  public var hasPartialEvent: Bool { !line.isEmpty || hasData }

  /// Takes the next bytes and returns the events they complete.
  public mutating func receive(_ bytes: [UInt8]) throws(HTTPClientError) -> [ServerSentEvent] {
    var events: [ServerSentEvent] = []
    var start = 0
    if endsWithCarriageReturn, let first = bytes.first {
      // The line feed of a pair whose carriage return has already ended the line.
      if first == .lineFeed { start = 1 }
      endsWithCarriageReturn = false
    }
    while let end = bytes[start...].firstIndex(where: { $0 == .lineFeed || $0 == .carriageReturn })
    {
      if line.isEmpty {
        try finish(bytes[start..<end], &events)
      } else {
        line += bytes[start..<end]
        let whole = line
        line = []
        try finish(whole[...], &events)
      }
      start = end + 1
      if bytes[end] == .carriageReturn {
        if start == bytes.count {
          endsWithCarriageReturn = true
        } else if bytes[start] == .lineFeed {
          start += 1
        }
      }
    }
    line += bytes[start...]
    guard line.count + data.count <= limit else { throw tooLarge }
    return events
  }

  private var tooLarge: HTTPClientError { .tooLarge("an event of more than \(limit) bytes") }

  private mutating func finish(
    _ whole: ArraySlice<UInt8>, _ events: inout [ServerSentEvent]
  ) throws(HTTPClientError) {
    var line = whole
    if isFirstLine {
      isFirstLine = false
      let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
      if line.starts(with: byteOrderMark) { line = line.dropFirst(byteOrderMark.count) }
    }
    guard line.count + data.count <= limit else { throw tooLarge }
    if line.isEmpty { return dispatch(&events) }
    let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    var value = line[colon...].dropFirst()
    if value.first == .space { value = value.dropFirst() }
    let field = line[..<colon]
    if field.elementsEqual("data".utf8) {
      if hasData { data.append(.lineFeed) }
      hasData = true
      data += value
    } else if field.elementsEqual("event".utf8) {
      name = Array(value)
    }
  }

  /// At an empty line. An event without data is none, whatever else it had.
  private mutating func dispatch(_ events: inout [ServerSentEvent]) {
    defer {
      name = nil
      data = []
      hasData = false
    }
    guard hasData else { return }
    let type = name.map { String(decoding: $0, as: UTF8.self) }
    events.append(ServerSentEvent(name: type == "" ? nil : type, data: data))
  }
}
