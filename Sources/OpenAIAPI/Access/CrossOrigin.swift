// Which pages of other origins may use the API from a browser (CORS; Fetch standard, section 3.3).
// Pure.

import HTTP

/// Origins that may read answers. Without any the server stays silent about CORS, and browsers let
/// no page of another origin in.
public struct CrossOrigin: Sendable, Equatable {
  private let origins: Set<String>
  private let allowsAll: Bool

  /// - Parameter origins: such as `https://chat.example.com`; `*` allows all.
  public init(origins: [String] = []) {
    allowsAll = origins.contains("*")
    self.origins = Set(origins.map { $0.lowercased() })
  }

  /// Whether there is anything to say.
  var isActive: Bool { allowsAll || !origins.isEmpty }

  /// What every answer to the request says.
  package func fields(for headers: Headers) -> [(String, String)] {
    guard isActive else { return [] }
    // Caches must not give one origin's answer to another; with `*` all get the same.
    var fields = allowsAll ? [] : [("Vary", "Origin")]
    guard let allowed = allowedOrigin(headers) else { return fields }
    fields.append(("Access-Control-Allow-Origin", allowed))
    fields.append(("Access-Control-Expose-Headers", Self.exposed))
    return fields
  }

  /// Whether the request only asks if another one may come: it carries no key.
  package func isPreflight(_ method: HTTP.Method, _ headers: Headers) -> Bool {
    isActive && method == .options && headers["origin"] != nil
      && headers["access-control-request-method"] != nil
  }

  /// The answer to a preflight; `fields(for:)` come in addition.
  package func preflight(_ headers: Headers) -> Response {
    guard allowedOrigin(headers) != nil else {
      return APIError(
        status: 403, message: "This origin is not allowed (--cors-origin).",
        code: "origin_not_allowed"
      ).response
    }
    var answer: Headers = [
      "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
      "Access-Control-Max-Age": "\(Self.maxAge)",
    ]
    // Clients send header fields of their own making; none of them is more than data here. `*`
    // would not cover Authorization.
    if let wanted = headers["access-control-request-headers"] {
      answer.append("Access-Control-Allow-Headers", wanted)
    }
    if headers["access-control-request-private-network"] == "true" {
      answer.append("Access-Control-Allow-Private-Network", "true")
    }
    return Response(status: 204, headers: answer)
  }

  private func allowedOrigin(_ headers: Headers) -> String? {
    guard let origin = headers["origin"] else { return nil }
    if allowsAll { return "*" }
    return origins.contains(origin.lowercased()) ? origin : nil
  }

  /// Seconds for which a browser need not ask again.
  private static let maxAge = 600

  /// What pages may read besides the few fields that they always may.
  private static let exposed = [
    "Retry-After", "X-Request-Id", "retry-after-ms", "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens", "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens",
  ].joined(separator: ", ")
}
