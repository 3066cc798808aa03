// Why a request got no complete answer.

import Glibc
import Platform

/// The trouble of one request of a client, or of the address it is to go to.
public enum HTTPClientError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A URL that is none, with what is wrong about it.
  case invalidURL(String)
  /// The connection was not there within its time.
  case connectTimeout
  /// The answer was not complete within its time.
  case timeout
  /// Nobody listens at the address.
  case refused
  /// The server dropped the connection.
  case reset
  /// The server ended the connection before the answer was complete.
  case closedEarly
  /// The server's certificate is not believed; the text says why.
  case certificate(String)
  /// Any other failure of TLS.
  case tls(String)
  /// The answer breaks HTTP/1.1 (RFC 9112); the text says how.
  case malformed(String)
  /// The answer is larger than the client's limits.
  case tooLarge(String)
  /// Any other trouble of the operating system.
  case network(PlatformError)

  public var description: String {
    switch self {
    case .invalidURL(let reason): "not a usable URL: \(reason)"
    case .connectTimeout: "no connection in time"
    case .timeout: "no complete answer in time"
    case .refused: "connection refused"
    case .reset: "connection reset"
    case .closedEarly: "connection closed before the answer was complete"
    case .certificate(let reason): "the server's certificate is not accepted: \(reason)"
    case .tls(let reason): "TLS: \(reason)"
    case .malformed(let reason): "malformed answer: \(reason)"
    case .tooLarge(let reason): "answer too large: \(reason)"
    case .network(let error): "\(error)"
    }
  }

  /// Sorts what the system reported about a socket.
  init(_ error: PlatformError) {
    switch error {
    case .systemCall(_, ECONNREFUSED, _): self = .refused
    case .systemCall(_, ECONNRESET, _), .systemCall(_, EPIPE, _): self = .reset
    case .systemCall(_, ETIMEDOUT, _): self = .connectTimeout
    default: self = .network(error)
    }
  }
}
