// Request line, header lines and what they say about the body: pure functions of single lines
// and of the complete header, strict where readers that differ could be played off against each
// other (RFC 9112, section 11.2).

/// How a request's body ends.
enum BodyFraming: Equatable {
  case length(Int)
  case chunked
}

/// The request line (RFC 9112, section 3).
struct RequestLine {
  let method: Method
  let target: String
  let path: String
  let query: String?
  /// Whom a target in absolute form names, and the port that its scheme stands for.
  let authority: Authority?
  let defaultPort: Int
  let minorVersion: Int

  init(_ line: ArraySlice<UInt8>, limits: HTTPLimits) throws(RequestError) {
    let parts = line.split(separator: .space, omittingEmptySubsequences: false)
    guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(\.isToken),
      !parts[1].isEmpty
    else { throw .malformed("malformed request line") }
    minorVersion = try Self.parseVersion(parts[2])
    guard let method = Method(rawValue: String(decoding: parts[0], as: UTF8.self)) else {
      throw RequestError(status: 501, message: "method not implemented")
    }
    guard parts[1].count <= limits.targetBytes else { throw .targetTooLong(limits) }
    self.method = method
    target = String(decoding: parts[1], as: UTF8.self)
    if method == .options, parts[1].elementsEqual("*".utf8) {
      (path, query, authority, defaultPort) = ("*", nil, nil, 0)
    } else {
      var rest = parts[1]
      (authority, defaultPort) = try Self.dropAuthority(&rest)
      (path, query) = try Self.splitPath(rest)
    }
  }

  /// `HTTP/1.x`; a later minor version is spoken to as 1.1 (RFC 9110, section 2.5).
  private static func parseVersion(_ text: ArraySlice<UInt8>) throws(RequestError) -> Int {
    let name = Array("HTTP/".utf8)
    let digits = Array(text.dropFirst(name.count))
    guard text.starts(with: name), digits.count == 3, digits[0].isDigit,
      digits[1] == UInt8(ascii: "."), digits[2].isDigit
    else { throw .malformed("malformed protocol version") }
    guard digits[0] == UInt8(ascii: "1") else {
      throw RequestError(status: 505, message: "protocol version not supported")
    }
    return digits[2] == UInt8(ascii: "0") ? 0 : 1
  }

  /// Path and query of the origin and absolute forms (RFC 9112, sections 3.2.1 and 3.2.2).
  private static func splitPath(
    _ text: ArraySlice<UInt8>
  ) throws(RequestError) -> (path: String, query: String?) {
    let pathEnd = text.firstIndex(of: UInt8(ascii: "?")) ?? text.endIndex
    let path = text[..<pathEnd]
    let query = text[pathEnd...].dropFirst()
    guard path.isPercentEncoded(with: \.isPathCharacter),
      query.isPercentEncoded(with: { $0.isPathCharacter || $0 == UInt8(ascii: "?") })
    else { throw .malformed("malformed request target") }
    return (
      path.isEmpty ? "/" : String(decoding: path, as: UTF8.self),
      pathEnd == text.endIndex ? nil : String(decoding: query, as: UTF8.self)
    )
  }

  /// Takes `http://host` off a target in absolute form; nil for the origin form.
  private static func dropAuthority(
    _ target: inout ArraySlice<UInt8>
  ) throws(RequestError) -> (authority: Authority?, defaultPort: Int) {
    if target.first == UInt8(ascii: "/") { return (nil, 0) }
    for (scheme, port) in [("http://", 80), ("https://", 443)] {
      let start = String(decoding: target.prefix(scheme.utf8.count), as: UTF8.self)
      guard start.lowercased() == scheme else { continue }
      let rest = target.dropFirst(scheme.utf8.count)
      let end =
        rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
      guard end > rest.startIndex, let authority = Authority(rest[..<end]) else { break }
      target = rest[end...]
      return (authority, port)
    }
    throw .malformed("malformed request target")
  }
}

extension Headers {
  /// Adds one header or trailer line (RFC 9112, section 5): no white space before the colon, no
  /// continuation lines, no control bytes.
  mutating func append(line: ArraySlice<UInt8>) throws(RequestError) {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
      line[..<colon].allSatisfy(\.isToken)
    else { throw .malformed("malformed header line") }
    let value = line[(colon + 1)...].trimmed
    guard value.allSatisfy(\.isFieldValue) else {
      throw .malformed("control byte in a header value")
    }
    append(
      String(decoding: line[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self))
  }

  /// Checks the fields that the protocol itself reads and tells how the body ends
  /// (RFC 9112, sections 3.2 and 6.3).
  func framing(of line: RequestLine, limits: HTTPLimits) throws(RequestError) -> BodyFraming {
    try checkHost(of: line)
    let lengths = values("content-length")
    if !values("transfer-encoding").isEmpty {
      guard lengths.isEmpty else {
        throw .malformed("Content-Length together with Transfer-Encoding")
      }
      try checkTransferCoding(minorVersion: line.minorVersion)
      return .chunked
    }
    guard let length = lengths.first else { return .length(0) }
    guard lengths.count == 1, !length.isEmpty, length.utf8.allSatisfy(\.isDigit) else {
      throw .malformed("malformed or repeated Content-Length")
    }
    guard let count = Int(length), count <= limits.bodyBytes else { throw .bodyTooLarge(limits) }
    return .length(count)
  }

  /// One Host field, in HTTP/1.1 at least. A target in absolute form would overrule it (RFC 9112,
  /// section 3.2.2); one that names somebody else is refused, because clients must not send it and
  /// whoever reads only the field would be misled.
  private func checkHost(of line: RequestLine) throws(RequestError) {
    let hosts = values("host")
    guard hosts.count == 1 || (hosts.isEmpty && line.minorVersion == 0) else {
      throw .malformed(hosts.isEmpty ? "no Host header" : "more than one Host header")
    }
    guard let host = hosts.first else { return }
    guard let named = Authority(Array(host.utf8)[...]) else {
      throw .malformed("malformed Host header")
    }
    guard let authority = line.authority else { return }
    guard authority.filled(line.defaultPort) == named.filled(line.defaultPort) else {
      throw .malformed("the Host header and the request target disagree")
    }
  }

  /// Chunked alone is understood; a last coding that is not chunked leaves the body without an
  /// end (RFC 9112, sections 6.1 and 6.3).
  private func checkTransferCoding(minorVersion: Int) throws(RequestError) {
    let codings = list("transfer-encoding")
    guard minorVersion > 0 else { throw .malformed("Transfer-Encoding in an HTTP/1.0 request") }
    guard codings.last == "chunked", !codings.dropLast().contains("chunked") else {
      throw .malformed("the last transfer coding is not chunked")
    }
    guard codings.count == 1 else {
      throw RequestError(status: 501, message: "transfer coding not implemented")
    }
  }
}

extension RequestError {
  static func targetTooLong(_ limits: HTTPLimits) -> RequestError {
    RequestError(
      status: 414, message: "the request target is longer than \(limits.targetBytes) bytes")
  }

  static func headersTooLarge(_ limits: HTTPLimits) -> RequestError {
    RequestError(
      status: 431,
      message:
        "more than \(limits.headerCount) header lines or \(limits.headerBytes) header bytes")
  }

  static func bodyTooLarge(_ limits: HTTPLimits) -> RequestError {
    RequestError(
      status: 413, message: "the request body is larger than \(limits.bodyBytes) bytes")
  }
}
