// The kinds of answers that are none, each with the name it has in reports.

import HTTP

/// Why a request brought no answer.
package enum Failure: Hashable, Sendable {
  /// Any status but 200.
  case status(Int)
  case connectionRefused
  case connectionReset
  case closedEarly
  /// The server's certificate is not believed.
  case certificate
  case tls
  case connectTimeout
  case timeout
  /// Any other trouble of the network.
  case network
  case malformedHTTP
  /// Not the JSON or the event stream that was asked for.
  case malformedAnswer
  case tooLarge
  /// An error in the middle of a stream.
  case errorEvent
  /// A stream that ends well but for its last event.
  case missingDone
  /// Given up at the end of an interrupted run.
  case cancelled

  init(_ error: HTTPClientError) {
    switch error {
    case .invalidURL, .network: self = .network
    case .connectTimeout: self = .connectTimeout
    case .timeout: self = .timeout
    case .refused: self = .connectionRefused
    case .reset: self = .connectionReset
    case .certificate: self = .certificate
    case .tls: self = .tls
    case .closedEarly: self = .closedEarly
    case .malformed: self = .malformedHTTP
    case .tooLarge: self = .tooLarge
    }
  }

  /// Whether the server said that it has too much to do, which under load is no error.
  package var isRefusal: Bool { self == .status(429) || self == .status(503) }

  /// The name in JSON.
  package var key: String {
    switch self {
    case .status(let status): "status_\(status)"
    case .connectionRefused: "connection_refused"
    case .connectionReset: "connection_reset"
    case .certificate: "certificate"
    case .tls: "tls"
    case .closedEarly: "closed_early"
    case .connectTimeout: "connect_timeout"
    case .timeout: "timeout"
    case .network: "network"
    case .malformedHTTP: "malformed_http"
    case .malformedAnswer: "malformed_answer"
    case .tooLarge: "too_large"
    case .errorEvent: "error_event"
    case .missingDone: "missing_done"
    case .cancelled: "cancelled"
    }
  }

  /// The name for people.
  var label: String {
    switch self {
    case .status(let status): "status \(status)"
    case .tls: "TLS"
    case .malformedHTTP: "malformed HTTP"
    case .missingDone: "stream without [DONE]"
    case .errorEvent: "error within a stream"
    default: key.split(separator: "_").joined(separator: " ")
    }
  }
}
