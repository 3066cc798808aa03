// Requests against RFC 9112, byte by byte.

import HTTP
import Testing

@Suite("Requests on the wire")
struct RequestParserTests {
  private func only(_ text: String) throws -> Request {
    let transcript = ConnectionDriver.run(text)
    #expect(transcript.statuses.filter { $0 != 100 } == [200], "\(text.debugDescription)")
    return try #require(transcript.requests.first)
  }

  @Test("a request's parts arrive")
  func parts() throws {
    let request = try only(
      "POST /v1/a%20b?x=1&y=/?z HTTP/1.1\r\nHost: h:80\r\n"
        + "X-One:  a b \t\r\nx-one: c\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello")
    #expect(request.method == .post)
    #expect(request.target == "/v1/a%20b?x=1&y=/?z")
    #expect(request.path == "/v1/a%20b")
    #expect(request.query == "x=1&y=/?z")
    #expect(request.minorVersion == 1)
    #expect(
      request.headers.fields.map(\.name) == [
        "Host", "X-One", "x-one", "X-Empty", "Content-Length",
      ])
    #expect(request.headers["X-ONE"] == "a b")
    #expect(request.headers.values("x-One") == ["a b", "c"])
    #expect(request.headers["x-empty"] == "")
    #expect(request.headers["absent"] == nil)
    #expect(request.body == Array("hello".utf8))
    #expect(request.peer == "test")
  }

  @Test(
    "targets in origin, absolute and asterisk form (RFC 9112, 3.2)",
    arguments: [
      ("GET / HTTP/1.1", "/", nil), ("GET /?  HTTP/1.1", nil, nil), ("GET /a? HTTP/1.1", "/a", ""),
      ("GET http://h/a?b HTTP/1.1", "/a", "b"), ("GET HTTP://H HTTP/1.1", "/", nil),
      ("GET https://h?q HTTP/1.1", "/", "q"), ("GET http://h:80/x HTTP/1.1", "/x", nil),
      ("GET https://h:/x HTTP/1.1", "/x", nil), ("OPTIONS * HTTP/1.1", "*", nil),
      ("OPTIONS /a HTTP/1.1", "/a", nil), ("OPTIONS http://h HTTP/1.1", "/", nil),
    ] as [(String, String?, String?)])
  func targets(line: String, path: String?, query: String?) {
    let transcript = ConnectionDriver.run("\(line)\r\nHost: h\r\n\r\n")
    #expect(transcript.requests.first?.path == path)
    #expect(transcript.requests.first?.query == query)
    #expect(transcript.statuses == [path == nil ? 400 : 200])
  }

  @Test(
    "acceptable peculiarities",
    arguments: [
      "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.7\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost:\r\n\r\n",
      "GET / HTTP/1.1\r\nhOST:h\r\nX: caf\u{E9}\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
      "GET http://[::FFFF:1.2.3.4]:8080/ HTTP/1.1\r\nHost: [::ffff:1.2.3.4]:8080\r\n\r\n",
      "GET http://h:80/ HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a%20b_c.d:\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0005\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: , Chunked ,\r\n\r\n0\r\n\r\n",
    ])
  func peculiar(_ text: String) throws { _ = try only(text) }

  @Test("chunked bodies, extensions and trailers (RFC 9112, 7.1)")
  func chunked() throws {
    let request = try only(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "5\r\nhello\r\n00a;name=\"v\"\r\n0123456789\r\n"
        + "A ; x = y;z;q=\"\\\";\"\r\nABCDEFGHIJ\r\n000\r\n"
        + "Digest: x\r\nHost: other\r\n\r\n")
    #expect(request.body == Array("hello0123456789ABCDEFGHIJ".utf8))
    #expect(request.headers["digest"] == nil)
    #expect(request.headers.values("host") == ["h"])
  }

  @Test("limits hold exactly, and without waiting for a line's end")
  func limits() {
    var limits = HTTPLimits()
    limits.targetBytes = 100
    limits.headerBytes = 200
    limits.headerCount = 4
    limits.bodyBytes = 50
    func status(_ text: String) -> Int? {
      ConnectionDriver.run(text, limits: limits).statuses.first
    }
    func letters(_ count: Int) -> String { String(repeating: "x", count: count) }
    #expect(status("GET /\(letters(99)) HTTP/1.1\r\nHost: h\r\n\r\n") == 200)
    #expect(status("GET /\(letters(100)) HTTP/1.1\r\nHost: h\r\n\r\n") == 414)
    #expect(status(letters(200)) == 414)
    // "Host: h" and "X: " are ten bytes.
    #expect(status("GET / HTTP/1.1\r\nHost: h\r\nX: \(letters(190))\r\n\r\n") == 200)
    #expect(status("GET / HTTP/1.1\r\nHost: h\r\nX: \(letters(191))\r\n\r\n") == 431)
    #expect(status("GET / HTTP/1.1\r\n\(letters(202))") == 431)
    #expect(status("GET / HTTP/1.1\r\nHost: h\r\nA:\r\nB:\r\nC:\r\n\r\n") == 200)
    #expect(status("GET / HTTP/1.1\r\nHost: h\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n") == 431)
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    #expect(status("\(chunked)30\r\n\(letters(48))\r\n2\r\nab\r\n0\r\n\r\n") == 200)
    #expect(status("\(chunked)30\r\n\(letters(48))\r\n3\r\n") == 413)
    #expect(status("\(chunked)0\r\nA:\r\nB:\r\nC:\r\n\r\n") == 431)
    #expect(status("\(chunked)1;\(letters(170))\r\nx\r\n") == 431)
    #expect(status("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n\(letters(50))") == 200)
    #expect(status("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 51\r\n\r\n") == 413)
  }
}
