// `http` URLs: as much of RFC 3986 and RFC 9110, section 4.2 as names a server and a path on it.

/// An absolute URL of the scheme `http`, without user, query and fragment.
public struct HTTPURL: Sendable, Equatable, CustomStringConvertible {
  /// Name or numeric address, without the brackets of an IPv6 address.
  public let host: String
  public let port: UInt16
  /// The path without a slash at its end; empty for the root.
  public let path: String

  /// Parses `http://host[:port][/path]`. `https` is refused by name: this client speaks no TLS.
  public init(_ text: String) throws(HTTPClientError) {
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .invalidURL("it holds spaces, control or non-ASCII characters")
    }
    guard let separator = text.firstRange(of: "://") else {
      throw .invalidURL("'\(text)' does not begin with http://")
    }
    let scheme = text[..<separator.lowerBound].lowercased()
    guard scheme != "https" else {
      throw .invalidURL("https is not supported, only http")
    }
    guard scheme == "http" else { throw .invalidURL("unknown scheme '\(scheme)'") }
    let rest = text[separator.upperBound...]
    guard !rest.contains("?"), !rest.contains("#") else {
      throw .invalidURL("a query or fragment has no use here")
    }
    let pathStart = rest.firstIndex(of: "/") ?? rest.endIndex
    let authority = Array(rest[..<pathStart].utf8)
    guard !authority.contains(UInt8(ascii: "@")) else {
      throw .invalidURL("a user name in a URL is not supported")
    }
    guard RequestLine.isHost(authority[...]) else { throw .invalidURL("malformed host or port") }
    (host, port) = try Self.parseAuthority(authority[...])
    var path = Array(rest[pathStart...].utf8)
    guard path[...].isPercentEncoded(with: \.isPathCharacter) else {
      throw .invalidURL("malformed path")
    }
    while path.last == UInt8(ascii: "/") { path.removeLast() }
    self.path = String(decoding: path, as: UTF8.self)
  }

  /// Of a `uri-host [ ":" port ]`; 80 where no port is given.
  private static func parseAuthority(
    _ text: ArraySlice<UInt8>
  ) throws(HTTPClientError) -> (String, UInt16) {
    var host = text
    var digits = text[text.endIndex...]
    let searchStart = text.lastIndex(of: UInt8(ascii: "]")) ?? text.startIndex
    if let colon = text[searchStart...].firstIndex(of: UInt8(ascii: ":")) {
      host = text[..<colon]
      digits = text[(colon + 1)...]
    }
    if host.first == UInt8(ascii: "[") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty else { throw .invalidURL("no host") }
    let name = String(decoding: host, as: UTF8.self)
    if digits.isEmpty { return (name, 80) }
    guard let port = UInt16(String(decoding: digits, as: UTF8.self)), port > 0 else {
      throw .invalidURL("no such port")
    }
    return (name, port)
  }

  /// What the Host header says (RFC 9110, section 7.2).
  public var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == 80 ? name : "\(name):\(port)"
  }

  public var description: String { "http://\(authority)\(path)" }
}
