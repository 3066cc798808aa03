// Event streams against the examples of WHATWG HTML, section 9.2.6.

import HTTP
import TestSupport
import Testing

@Suite("Event streams")
struct EventStreamParserTests {
  private static func events(_ chunks: [[UInt8]]) throws -> [ServerSentEvent] {
    var parser = EventStreamParser()
    return try chunks.flatMap { try parser.receive($0) }
  }

  private func data(_ text: String) throws -> [String] {
    try Self.events([Array(text.utf8)]).map { String(decoding: $0.data, as: UTF8.self) }
  }

  @Test("the standard's examples")
  func examples() throws {
    #expect(
      try data(
        "data: This is the first message.\n\ndata: This is the second message, it\n"
          + "data: has two lines.\n\ndata: This is the third message.\n\n")
        == [
          "This is the first message.", "This is the second message, it\nhas two lines.",
          "This is the third message.",
        ])
    #expect(try data("data: YHOO\ndata: +2\ndata: 10\n\n") == ["YHOO\n+2\n10"])
    // A comment, a message, one with an empty id, and one whose second space is data.
    #expect(
      try data(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
          + "data:  third event\n\n") == ["first event", "second event", " third event"])
    // An empty message, one of a line feed, and a last block that no empty line ends.
    #expect(try data("data\n\ndata\ndata\n\ndata:") == ["", "\n"])
    #expect(try data("data:test\n\ndata: test\n\n") == ["test", "test"])
  }

  @Test("types, unknown fields and the byte order mark")
  func fields() throws {
    let events = try Self.events([
      Array("\u{FEFF}event: add\ndata: 1\n\nevent: x\nevent:\ndata: 2\n\nevent: lost\n\n".utf8),
      Array("retry: 10\nfoo: bar\nDATA: no\ndata: 3\n\n".utf8),
    ])
    #expect(
      events == [
        ServerSentEvent(name: "add", data: Array("1".utf8)), ServerSentEvent(data: Array("2".utf8)),
        ServerSentEvent(data: Array("3".utf8)),
      ])
  }

  @Test("all three line ends, and splits at every place")
  func splits() throws {
    let text = "\u{FEFF}: c\r\ndata: a\rdata: b\ndata: c\r\n\r\nevent: e\rdata: d\r\rdata: f\n\n"
    let bytes = Array(text.utf8)
    let whole = try Self.events([bytes])
    #expect(whole.map { String(decoding: $0.data, as: UTF8.self) } == ["a\nb\nc", "d", "f"])
    #expect(try Self.events(bytes.map { [$0] }) == whole)
    for first in 0...bytes.count {
      for second in first...bytes.count {
        let split = [bytes[..<first], bytes[first..<second], bytes[second...]].map(Array.init)
        #expect(try Self.events(split) == whole)
      }
    }
  }

  @Test("what the server's half writes is read back")
  func roundTrip() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let alphabet = Array("ab: \n\u{E9}".utf8)
    for _ in 0..<500 {
      let data = (0..<Int.random(in: 0...20, using: &random)).map { _ in
        alphabet.randomElement(using: &random) ?? 0
      }
      let bytes = ServerSentEvents.event(data: data, name: "n") + ServerSentEvents.comment("x")
      #expect(
        try Self.events([bytes]) == [ServerSentEvent(name: "n", data: data)], "seed \(seed)")
    }
  }

  @Test("an event without end is given up")
  func limit() {
    var limits = HTTPClientLimits()
    limits.eventBytes = 1_000
    var line = EventStreamParser(limits: limits)
    #expect(throws: HTTPClientError.self) {
      for _ in 0..<100 { _ = try line.receive(Array(repeating: UInt8(ascii: "a"), count: 100)) }
    }
    var lines = EventStreamParser(limits: limits)
    #expect(throws: HTTPClientError.self) {
      for _ in 0..<100 { _ = try lines.receive(Array("data: 0123456789012345678\n".utf8)) }
    }
    // Comments cost nothing however many there are.
    var comments = EventStreamParser(limits: limits)
    #expect(throws: Never.self) {
      for _ in 0..<1_000 { _ = try comments.receive(Array(": 0123456789012345678\n\n".utf8)) }
    }
  }
}
