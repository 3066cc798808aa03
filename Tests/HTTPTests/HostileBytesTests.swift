// Requests that nobody should send: an answer or an end, never a trap.

import HTTP
import Testing

/// The parser's outcome depends on the bytes alone, and no bytes trap it.
@Suite("Hostile bytes")
struct HostileBytesTests {
  static let corpus: [String] = [
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n"
      + "GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET",
    "\r\nPOST /v1/completions HTTP/1.1\r\nHost: localhost:8080\r\n"
      + "Content-Type: application/json\r\nAccept: */*\r\n"
      + "Content-Length: 14\r\n\r\n{\"prompt\":\"x\"}GET /n HTTP/1.0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
      + "5;a=b\r\nhello\r\nB\r\n world, and \r\n0\r\nX-T: 1\r\n\r\n"
      + "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc"
      + "GET / HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 0\r\n\r\nbad\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nX: y\nZ: z\r\n\r\n",
    "GET http://h/p?q HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n",
    "GET /" + String(repeating: "x", count: 150) + " HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nX: " + String(repeating: "y", count: 400) + "\r\n\r\n",
  ]

  /// Small, so that inputs reach them.
  static var limits: HTTPLimits {
    var limits = HTTPLimits()
    limits.targetBytes = 60
    limits.headerBytes = 300
    limits.headerCount = 8
    limits.bodyBytes = 200
    return limits
  }

  @Test("split at every position, and byte by byte", arguments: corpus)
  func splits(text: String) {
    let bytes = Array(text.utf8)
    let whole = ConnectionDriver.run([bytes], limits: Self.limits)
    #expect(!whole.output.isEmpty)
    for position in 1..<bytes.count {
      let parts = [Array(bytes[..<position]), Array(bytes[position...])]
      #expect(ConnectionDriver.run(parts, limits: Self.limits) == whole, "at \(position)")
    }
    #expect(ConnectionDriver.run(bytes.map { [$0] }, limits: Self.limits) == whole)
  }
}
