// The name of a request in answers and logs. It is for people alone: clients choose it, so nothing
// is ever looked up by it.

import HTTP

enum RequestID {
  static let header = "X-Request-Id"

  /// The client's own name for its request, if it is short and visible ASCII; else a new one.
  static func of(_ request: Request) -> String {
    let given = request.headers.values(header)
    guard given.count == 1, isAcceptable(given[0]) else { return make() }
    return given[0]
  }

  /// A new one, at random.
  static func make() -> String {
    let digits = String(UInt128.random(in: .min ... .max), radix: 16)
    return "req_" + String(repeating: "0", count: 32 - digits.count) + digits
  }

  static func isAcceptable(_ text: String) -> Bool {
    (1...APILimits.requestIDBytes).contains(text.utf8.count)
      && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }
}
