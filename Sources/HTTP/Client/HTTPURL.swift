// `http` and `https` URLs: as much of RFC 3986 and RFC 9110, section 4.2 as names a server and a
// path on it.

/// An absolute URL of the scheme `http` or `https`, without user, query and fragment.
public struct HTTPURL: Sendable, Equatable, CustomStringConvertible {
  /// Whether the scheme is `https`.
  public let isSecure: Bool
  /// Name or numeric address, without the brackets of an IPv6 address.
  public let host: String
  public let port: UInt16
  /// The path without a slash at its end; empty for the root.
  public let path: String

  /// Parses `http://host[:port][/path]` and the same with `https`.
  public init(_ text: String) throws(HTTPClientError) {
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .invalidURL("it holds spaces, control or non-ASCII characters")
    }
    guard let separator = text.firstRange(of: "://") else {
      throw .invalidURL("'\(text)' does not begin with http:// or https://")
    }
    let scheme = text[..<separator.lowerBound].lowercased()
    isSecure = scheme == "https"
    guard isSecure || scheme == "http" else { throw .invalidURL("unknown scheme '\(scheme)'") }
    let rest = text[separator.upperBound...]
    guard !rest.contains("?"), !rest.contains("#") else {
      throw .invalidURL("a query or fragment has no use here")
    }
    let pathStart = rest.firstIndex(of: "/") ?? rest.endIndex
    let place = Array(rest[..<pathStart].utf8)
    guard !place.contains(UInt8(ascii: "@")) else {
      throw .invalidURL("a user name in a URL is not supported")
    }
    guard let authority = Authority(place[...]) else { throw .invalidURL("malformed host or port") }
    guard !authority.host.isEmpty else { throw .invalidURL("no host") }
    guard let port = UInt16(exactly: authority.port ?? (isSecure ? 443 : 80)), port > 0 else {
      throw .invalidURL("no such port")
    }
    host = authority.host.filter { $0 != "[" && $0 != "]" }
    self.port = port
    var path = Array(rest[pathStart...].utf8)
    guard path[...].isPercentEncoded(with: \.isPathCharacter) else {
      throw .invalidURL("malformed path")
    }
    while path.last == UInt8(ascii: "/") { path.removeLast() }
    self.path = String(decoding: path, as: UTF8.self)
  }

  /// What the Host header says (RFC 9110, section 7.2).
  public var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
  }

  public var description: String { "\(isSecure ? "https" : "http")://\(authority)\(path)" }
}
