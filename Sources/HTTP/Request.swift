// A request as the layers above see it, and the refusal of one that is none.

/// The methods this server knows; others are answered 501 (RFC 9110, section 9.1).
public enum Method: String, Sendable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case patch = "PATCH"
  case delete = "DELETE"
  case options = "OPTIONS"
}

/// A request: its head alone, or all of it.
public struct Request: Sendable, Equatable {
  /// The method, one of those that are known.
  public let method: Method
  /// The request target as sent, for logs.
  public let target: String
  /// The target's path as sent: percent escapes stand, `*` for a request about the server itself.
  public let path: String
  /// What follows the question mark of the target, escapes standing; nil without one.
  public let query: String?
  /// 0 for HTTP/1.0, 1 for HTTP/1.1 and later 1.x.
  public let minorVersion: Int
  public let headers: Headers
  /// Empty in a head.
  public internal(set) var body: [UInt8] = []
  /// The client's address and port.
  public let peer: String

  /// Whether the client expects the connection to serve further requests
  /// (RFC 9112, section 9.3).
  var keepsAlive: Bool {
    let options = headers.list("connection")
    return !options.contains("close") && (minorVersion > 0 || options.contains("keep-alive"))
  }
}

/// Why bytes from a client are refused: the status to answer before closing and a message for
/// humans.
package struct RequestError: Error, Equatable {
  package let status: Int
  package let message: String

  static func malformed(_ message: String) -> RequestError {
    RequestError(status: 400, message: message)
  }
}
