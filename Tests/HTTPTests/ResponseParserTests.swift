// Answers against RFC 9112, byte by byte.

import HTTP
import TestSupport
import Testing

@Suite("Answers on the wire")
struct ResponseParserTests {
  /// What came of an answer, independent of how it was split.
  struct Transcript: Equatable {
    var head: ResponseHead?
    var body: [UInt8] = []
    var last: ResponseEvent?
    var keepsAlive = false

    var text: String { String(decoding: body, as: UTF8.self) }
  }

  static func run(
    _ chunks: [[UInt8]], answersHead: Bool = false, ends: Bool = true,
    limits: HTTPClientLimits = HTTPClientLimits()
  ) -> Transcript {
    var parser = ResponseParser(limits: limits, answersHead: answersHead)
    var transcript = Transcript()
    func take(_ events: [ResponseEvent]) {
      for event in events {
        #expect(transcript.last == nil, "an event after the last")
        switch event {
        case .head(let head): transcript.head = head
        case .body(let bytes):
          #expect(!bytes.isEmpty)
          transcript.body += bytes
        case .end, .failed: transcript.last = event
        }
      }
    }
    for chunk in chunks where transcript.last == nil { take(parser.receive(chunk)) }
    transcript.keepsAlive = parser.keepsAlive
    if transcript.last == nil, ends { take(parser.receiveEnd()) }
    return transcript
  }

  static func run(_ text: String, answersHead: Bool = false) -> Transcript {
    run([Array(text.utf8)], answersHead: answersHead)
  }

  @Test("a head's parts arrive")
  func head() {
    let answer = Self.run(
      "HTTP/1.1 429 Too Many Requests\r\nRetry-After:  3 \r\nX: a\r\nx: b\r\n"
        + "Content-Length: 5\r\n\r\nhello")
    #expect(answer.head?.status == 429)
    #expect(answer.head?.minorVersion == 1)
    #expect(answer.head?.headers["retry-after"] == "3")
    #expect(answer.head?.headers.values("X") == ["a", "b"])
    #expect(answer.text == "hello")
    #expect(answer.last == .end)
    #expect(answer.keepsAlive)
  }

  @Test(
    "where a body ends (RFC 9112, 6.3)",
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", true),
      ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true),
      ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", true),
      ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "", true),
      ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
      ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "", true),
      ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", false),
      ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false),
      ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", "abc", true),
      ("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 3\r\n\r\nabc", "abc", false),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "5\r\nhello\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
        "hello0123456789", true
      ),
      (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
          + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true
      ),
      // Bytes beyond the answer: the connection is of no further use.
      ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "a", false),
      // Continuation lines are for a client to take, section 5.2.
      ("HTTP/1.1 200 OK\r\nX: a\r\n\t b\r\nContent-Length: 1\r\n\r\na", "a", true),
    ])
  func framing(_ text: String, body: String, keepsAlive: Bool) {
    let answer = Self.run(text)
    #expect(answer.last == .end)
    #expect(answer.text == body)
    #expect(answer.keepsAlive == keepsAlive)
  }

  @Test("a continued field is joined with a space")
  func continuation() {
    let answer = Self.run("HTTP/1.1 200 OK\r\nX: a\r\n   b \r\n\tc\r\nContent-Length: 0\r\n\r\n")
    #expect(answer.head?.headers["x"] == "a b c")
  }

  @Test("an answer to HEAD has no body")
  func headRequest() {
    let answer = Self.run("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", answersHead: true)
    #expect(answer.last == .end)
    #expect(answer.keepsAlive)
  }

  private static let ok = "HTTP/1.1 200 OK\r\n"
  private static let chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"

  @Test(
    "malformed answers",
    arguments: [
      "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n",
      "HTTP/1.1 200 a\u{1}b\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "\r\n", "garbage\r\n",
      "HTTP/1.1 200 OK\n\n", ok + "X: y\n\r\n", ok + " X: y\r\n\r\n", ok + "X : y\r\n\r\n",
      ok + "X\r\n\r\n", ok + ": y\r\n\r\n", ok + "X: a\u{0}\r\n\r\n", ok + "X: a\rb\r\n\r\n",
      ok + "Content-Length: -1\r\n\r\n", ok + "Content-Length: 1, 1\r\n\r\n",
      ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", ok + "Content-Length: +1\r\n\r\n",
      ok + "Content-Length:\r\n\r\n",
      ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", ok + "Transfer-Encoding: identity\r\n\r\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
      chunked + "x\r\n", chunked + "-1\r\n", chunked + "5 5\r\n", chunked + "\r\n",
      chunked + "0x5\r\nhello\r\n", chunked + "3\r\nabcd\r\n", chunked + "3\nabc\n",
    ])
  func malformed(_ text: String) {
    guard case .failed(.malformed) = Self.run(text).last else {
      Issue.record("\(text.debugDescription): \(String(describing: Self.run(text).last))")
      return
    }
  }

  @Test(
    "answers that end early",
    arguments: [
      "", "HTTP/1.1 20", ok, ok + "X: y\r\n", ok + "Content-Length: 3\r\n\r\nab", chunked,
      chunked + "5\r\nhel", chunked + "5\r\nhello\r\n", chunked + "5\r\nhello\r\n0\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n",
    ])
  func early(_ text: String) {
    #expect(Self.run(text).last == .failed(.closedEarly))
  }

  @Test("answers beyond the limits")
  func limits() {
    var limits = HTTPClientLimits()
    limits.headerBytes = 100
    limits.headerCount = 4
    limits.bodyBytes = 10
    let long = String(repeating: "a", count: 200)
    let endless = String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 20)
    for text in [
      long, "HTTP/1.1 200 \(long)", Self.ok + "X: \(long)",
      Self.ok + "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n",
      Self.ok + "Content-Length: 99999999999999999999\r\n\r\n",
      Self.ok + "Content-Length: 20\r\n\r\n\(long)", Self.ok + "\r\n\(long)",
      Self.chunked + "b\r\n", Self.chunked + "ffffffffffffffffffff\r\n",
      Self.chunked + "6\r\nabcdef\r\n6\r\nabcdef\r\n", Self.chunked + "1;\(long)\(long)\r\n",
      endless,
    ] {
      let last = Self.run([Array(text.utf8)], ends: false, limits: limits).last
      guard case .failed(.tooLarge) = last else {
        Issue.record("\(text.debugDescription): \(String(describing: last))")
        continue
      }
    }
  }

  @Test("the outcome depends on the bytes alone, not on their splits")
  func splits() {
    let answers = [
      "HTTP/1.1 100 Continue\r\n\r\n" + Self.chunked
        + "5\r\nhello\r\n0000a;x\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
      Self.ok + "X: a\r\n b\r\nContent-Length: 4\r\n\r\nabcd", Self.ok + "\r\nto the end",
      Self.chunked + "5\r\nhello\r\nzz\r\n", Self.ok + "X: y\nZ: 1\r\n\r\n",
    ]
    for answer in answers {
      let bytes = Array(answer.utf8)
      let whole = Self.run([bytes])
      #expect(Self.run(bytes.map { [$0] }) == whole)
      for first in 0...bytes.count {
        for second in first...bytes.count {
          let split = [bytes[..<first], bytes[first..<second], bytes[second...]]
          #expect(Self.run(split.filter { !$0.isEmpty }.map(Array.init)) == whole)
        }
      }
    }
  }

  @Test("random and mutated answers never trap")
  func hostile() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let base = Array(
      (Self.chunked + "5\r\nhello\r\n0\r\nT: x\r\n\r\n").utf8)
    for _ in 0..<4_000 {
      var bytes = base
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        default: bytes.insert(contentsOf: bytes[place...].prefix(8), at: place)
        }
      }
      let cut = Int.random(in: 0...bytes.count, using: &random)
      let split = [Array(bytes[..<cut]), Array(bytes[cut...])].filter { !$0.isEmpty }
      // Whether excess bytes have come by the end of an answer is a matter of splits.
      var (one, other) = (Self.run([bytes]), Self.run(split))
      one.keepsAlive = false
      other.keepsAlive = false
      #expect(one == other, "seed \(seed)")
    }
  }
}
