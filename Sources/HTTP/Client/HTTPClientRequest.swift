// A request as a client gives it, and its bytes on the wire.

/// A request to be sent. `Host`, `Content-Length` and `Connection` are added when it is sent and
/// must not be among its headers.
public struct HTTPClientRequest: Sendable {
  public var method: Method
  /// Path and query, beginning with a slash.
  public var target: String
  public var headers: Headers
  public var body: [UInt8]

  /// A request with exactly these fields and those the client adds.
  public init(method: Method, target: String, headers: Headers = [:], body: [UInt8] = []) {
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
  }

  /// Whether a header line of this name and value can be sent (RFC 9110, section 5).
  public static func isHeader(name: String, value: String) -> Bool {
    !name.isEmpty && name.utf8.allSatisfy(\.isToken) && value.utf8.allSatisfy(\.isFieldValue)
  }

  /// The whole request as bytes (RFC 9112, sections 3 and 5).
  func encoded(host: String) -> [UInt8] {
    precondition(target.utf8.first == UInt8(ascii: "/") && target.utf8.allSatisfy { $0 > 0x20 })
    var bytes: [UInt8] = []
    bytes.reserveCapacity(512 + body.count)
    bytes += "\(method.rawValue) \(target) HTTP/1.1\r\nHost: \(host)\r\n".utf8
    for field in headers.fields {
      precondition(Self.isHeader(name: field.name, value: field.value), "malformed header")
      bytes += "\(field.name): \(field.value)\r\n".utf8
    }
    // A method that has a meaning for a body announces an empty one too (RFC 9110, section 8.6).
    if !body.isEmpty || method == .post || method == .put || method == .patch {
      bytes += "Content-Length: \(body.count)\r\n".utf8
    }
    bytes += "\r\n".utf8
    bytes += body
    return bytes
  }
}
