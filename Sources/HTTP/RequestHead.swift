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
    (path, query) = try Self.parseTarget(parts[1], method: method)
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

  /// The origin, absolute and asterisk forms of RFC 9112, section 3.2.
  private static func parseTarget(
    _ target: ArraySlice<UInt8>, method: Method
  ) throws(RequestError) -> (path: String, query: String?) {
    if target.elementsEqual("*".utf8), method == .options { return ("*", nil) }
    var rest = target
    if target.first != UInt8(ascii: "/") {
      rest = try dropAuthority(target)
    }
    let pathEnd = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
    let path = rest[..<pathEnd]
    let query = rest[pathEnd...].dropFirst()
    guard path.isPercentEncoded(with: \.isPathCharacter),
      query.isPercentEncoded(with: { $0.isPathCharacter || $0 == UInt8(ascii: "?") })
    else { throw .malformed("malformed request target") }
    return (
      path.isEmpty ? "/" : String(decoding: path, as: UTF8.self),
      pathEnd == rest.endIndex ? nil : String(decoding: query, as: UTF8.self)
    )
  }

  /// What follows `http://host` in the absolute form.
  private static func dropAuthority(
    _ target: ArraySlice<UInt8>
  ) throws(RequestError) -> ArraySlice<UInt8> {
    for scheme in ["http://", "https://"] {
      let start = String(decoding: target.prefix(scheme.utf8.count), as: UTF8.self)
      guard start.lowercased() == scheme else { continue }
      let rest = target.dropFirst(scheme.utf8.count)
      let end =
        rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
      guard end > rest.startIndex, isHost(rest[..<end]) else { break }
      return rest[end...]
    }
    throw .malformed("malformed request target")
  }

  /// `uri-host [ ":" port ]` (RFC 9110, section 7.2); the empty host is allowed there.
  static func isHost(_ text: ArraySlice<UInt8>) -> Bool {
    var port = text[text.endIndex...]
    var host = text
    if text.first == UInt8(ascii: "[") {
      guard let close = text.firstIndex(of: UInt8(ascii: "]")) else { return false }
      host = text[(text.startIndex + 1)..<close]
      port = text[(close + 1)...]
      guard !host.isEmpty, host.allSatisfy({ $0.isNameCharacter || $0 == UInt8(ascii: ":") })
      else { return false }
    } else {
      let end = text.firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex
      host = text[..<end]
      port = text[end...]
      guard host.isPercentEncoded(with: \.isNameCharacter) else { return false }
    }
    guard let colon = port.first else { return true }
    return colon == UInt8(ascii: ":") && port.count <= 6 && port.dropFirst().allSatisfy(\.isDigit)
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
  func framing(minorVersion: Int, limits: HTTPLimits) throws(RequestError) -> BodyFraming {
    let hosts = values("host")
    guard hosts.count == 1 || (hosts.isEmpty && minorVersion == 0) else {
      throw .malformed(hosts.isEmpty ? "no Host header" : "more than one Host header")
    }
    guard hosts.allSatisfy({ RequestLine.isHost(Array($0.utf8)[...]) }) else {
      throw .malformed("malformed Host header")
    }
    let lengths = values("content-length")
    if !values("transfer-encoding").isEmpty {
      guard lengths.isEmpty else {
        throw .malformed("Content-Length together with Transfer-Encoding")
      }
      try checkTransferCoding(minorVersion: minorVersion)
      return .chunked
    }
    guard let length = lengths.first else { return .length(0) }
    guard lengths.count == 1, !length.isEmpty, length.utf8.allSatisfy(\.isDigit) else {
      throw .malformed("malformed or repeated Content-Length")
    }
    guard let count = Int(length), count <= limits.bodyBytes else { throw .bodyTooLarge(limits) }
    return .length(count)
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
