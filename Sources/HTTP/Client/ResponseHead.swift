// Status line and header of an answer, and what they say about its body: pure functions of lines.

/// Status line and header fields of an answer.
public struct ResponseHead: Sendable, Equatable {
  /// Three digits; 200 to 599 from a server that keeps to RFC 9110, section 15.
  public let status: Int
  /// 0 for HTTP/1.0, 1 for HTTP/1.1 and later 1.x.
  public let minorVersion: Int
  public internal(set) var headers = Headers()

  /// The status line (RFC 9112, section 4). The reason phrase is dropped, and so may be the space
  /// before it, which servers forget.
  init(line: ArraySlice<UInt8>) throws(HTTPClientError) {
    let name = Array("HTTP/1.".utf8)
    guard line.starts(with: name), line.count >= 12 else { throw .malformed("no status line") }
    let rest = Array(line.dropFirst(name.count))
    guard rest[0].isDigit, rest[1] == .space, rest[2...4].allSatisfy(\.isDigit),
      rest.count == 5 || rest[5] == .space, rest[5...].allSatisfy(\.isFieldValue)
    else { throw .malformed("malformed status line") }
    minorVersion = rest[0] == UInt8(ascii: "0") ? 0 : 1
    status = rest[2...4].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    guard status >= 100 else { throw .malformed("malformed status line") }
  }

  /// Whether the server expects to answer further requests (RFC 9112, section 9.3).
  var keepsAlive: Bool {
    let options = headers.list("connection")
    return !options.contains("close") && (minorVersion > 0 || options.contains("keep-alive"))
  }

  /// How the body ends (RFC 9112, section 6.3). What could be read in two ways is refused: the
  /// connection would be used again at a place that the server did not mean.
  func framing(answersHead: Bool) throws(HTTPClientError) -> ResponseFraming {
    if answersHead || status < 200 || status == 204 || status == 304 { return .length(0) }
    let lengths = headers.values("content-length")
    if !headers.values("transfer-encoding").isEmpty {
      guard lengths.isEmpty else {
        throw .malformed("Content-Length together with Transfer-Encoding")
      }
      guard minorVersion > 0 else { throw .malformed("Transfer-Encoding in an HTTP/1.0 answer") }
      guard headers.list("transfer-encoding") == ["chunked"] else {
        throw .malformed("unknown transfer coding")
      }
      return .chunked
    }
    guard let length = lengths.first else { return .untilClose }
    guard lengths.count == 1, !length.isEmpty, length.utf8.allSatisfy(\.isDigit) else {
      throw .malformed("malformed or repeated Content-Length")
    }
    guard let count = Int(length) else { throw .tooLarge("Content-Length \(length.prefix(32))") }
    return .length(count)
  }
}
