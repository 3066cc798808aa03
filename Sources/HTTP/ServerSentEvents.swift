// The wire form of server-sent events (WHATWG HTML, section 9.2.6).

/// Encodes events of a `text/event-stream`.
public enum ServerSentEvents {
  /// The media type of event streams.
  public static let contentType = "text/event-stream"

  /// One event. Each line of `data` gets a `data:` line of its own, since a line break ends the
  /// field; the reader joins them with line feeds.
  public static func event(data: [UInt8], name: String? = nil) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(data.count + 16)
    if let name { append("event", lines(Array(name.utf8)).joined(separator: [.space]), to: &bytes) }
    for line in lines(data) { append("data", line, to: &bytes) }
    bytes.append(.lineFeed)
    return bytes
  }

  /// A comment, which readers ignore; keeps idle connections alive.
  public static func comment(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for line in lines(Array(text.utf8)) { append("", line, to: &bytes) }
    bytes.append(.lineFeed)
    return bytes
  }

  private static func append(
    _ field: String, _ value: some Sequence<UInt8>, to bytes: inout [UInt8]
  ) {
    bytes += field.utf8
    bytes += ": ".utf8
    bytes += value
    bytes.append(.lineFeed)
  }

  /// Cuts at each of the three line ends that the format knows: CR LF, LF, CR.
  private static func lines(_ text: [UInt8]) -> [ArraySlice<UInt8>] {
    var lines: [ArraySlice<UInt8>] = []
    var start = 0
    var position = 0
    while position < text.count {
      let byte = text[position]
      if byte == .lineFeed || byte == .carriageReturn {
        lines.append(text[start..<position])
        let isPair =
          byte == .carriageReturn && position + 1 < text.count
          && text[position + 1] == .lineFeed
        if isPair { position += 1 }
        start = position + 1
      }
      position += 1
    }
    lines.append(text[start...])
    return lines
  }
}
