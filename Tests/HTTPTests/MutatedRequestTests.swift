// Many mutated inputs: the parser's outcome depends on the bytes alone, and no bytes trap it.
// HADAL_FUZZ_INPUTS names another number of them.

import HTTP
import TestSupport
import Testing

@Suite("Mutated requests")
struct MutatedRequestTests {
  private static let words = [
    "\r\n", "\n", "\r", " ", "\t", ":", "\r\n\r\n", "Content-Length: 3\r\n", "ffffffffffffffff",
    "Transfer-Encoding: chunked\r\n", "Host: h\r\n", "99999999999999999999", "%", ";", "0", "-",
    "HTTP/1.1", "HTTP/9.9", "Connection: close\r\n", "Expect: 100-continue\r\n", "?", ",", "=",
    "\"", "\\", "5\r\nhello\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http://h",
    "[::1]", "*", "#", "HEAD ", "OPTIONS ",
  ]

  @Test("requests give the same whole and in pieces, within the limits")
  func requests() {
    let seed = UInt64.random(in: 0 ... .max)
    // As many good ones as bad ones.
    let corpus =
      (0..<12).flatMap { _ in HostileBytesTests.corpus.map { Array($0.utf8) } }
      + RefusedRequest.all.map(\.bytes).filter { $0.count < 1_000 }
    var mutator = Mutator(corpus: corpus, words: Self.words, seed: seed)
    let count = Mutator.inputCount(otherwise: 20_000)
    print("\(count) mutated requests, seed \(seed)")
    var accepted = 0
    var refused = 0
    for _ in 0..<count {
      let bytes = mutator.next()
      let whole = ConnectionDriver.run([bytes], limits: HostileBytesTests.limits)
      let pieces = ConnectionDriver.run(mutator.cut(bytes), limits: HostileBytesTests.limits)
      let isBounded = whole.requests.allSatisfy {
        $0.body.count <= 200 && $0.headers.fields.count <= 8
      }
      if whole != pieces || !isBounded {
        Issue.record("seed \(seed): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
        return
      }
      accepted += whole.requests.count
      refused += whole.isShutDown ? 1 : 0
    }
    // Mutations that all die in the first line would test nothing further in.
    #expect(accepted > count / 10 && refused > count / 10, "seed \(seed)")
  }

  // MARK: - Chunks

  private static let bodies = [
    "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "1\r\na\r\nA;x=\"y z\";q\r\n0123456789\r\n0\r\n\r\n",
    "003;a = \"\\\"\"\r\nabc\r\n00\r\nX-T: 1\r\nY: 2\r\n\r\n",
    "c8\r\n" + String(repeating: "x", count: 200)
      + "\r\n0;last\r\n\r\n", "2\r\n\r\n\r\n3 ; b\r\n\n\n\n\r\n0\r\n\r\n",
  ]

  @Test("chunked bodies come out as by a second decoder")
  func chunks() {
    let seed = UInt64.random(in: 0 ... .max)
    var mutator = Mutator(
      corpus: Self.bodies.map { Array($0.utf8) }, words: Self.words, seed: seed)
    let count = Mutator.inputCount(otherwise: 20_000)
    print("\(count) mutated bodies, seed \(seed)")
    let head = Array(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".utf8)
    let grammar = ChunkGrammar()
    var seen: [SecondDecoder.Outcome: Int] = [:]
    for _ in 0..<count {
      let bytes = mutator.next()
      let transcript = ConnectionDriver.run(
        [head] + mutator.cut(bytes), limits: HostileBytesTests.limits)
      var decoder = SecondDecoder(bytes, grammar: grammar)
      let expected = decoder.decode()
      let outcome: SecondDecoder.Outcome =
        !transcript.isShutDown ? .incomplete : transcript.requests.isEmpty ? .refused : .complete
      if outcome != expected || outcome == .complete && transcript.requests[0].body != decoder.body
      {
        Issue.record(
          """
          seed \(seed): \(outcome), not \(expected): \
          \(String(decoding: bytes, as: UTF8.self).debugDescription)
          """)
        return
      }
      seen[outcome, default: 0] += 1
    }
    #expect(seen.count == 3 && seen.values.allSatisfy { $0 > count / 20 }, "\(seen), seed \(seed)")
  }
}

/// The lines of a chunked body, as RFC 9112, section 7.1 gives them.
private struct ChunkGrammar {
  let chunkLine = try? Regex<(Substring, Substring, Substring)>(
    #"([0-9A-Fa-f]+)((?:[ \t]*;[ \t]*T+(?:[ \t]*=[ \t]*(?:T+|"(?:Q|\\[\t -~\x80-\xff])*"))?)*)"#
      .replacing("T", with: #"[!#$%&'*+.^_`|~0-9A-Za-z-]"#)
      .replacing("Q", with: #"[\t !#-\[\]-~\x80-\xff]"#)
  ).matchingSemantics(.unicodeScalar)
  let fieldLine = try? Regex<Substring>(
    #"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*"#
  ).matchingSemantics(.unicodeScalar)
}

/// A chunk decoder after the grammar of RFC 9112, section 7.1, over the whole text at once.
private struct SecondDecoder {
  enum Outcome { case complete, incomplete, refused }

  var rest: ArraySlice<UInt8>
  var body: [UInt8] = []
  /// What `HostileBytesTests.limits` leave beside the header: "Host: h" and the like.
  private var headerBytes = 7 + 26 + 17
  private var headerCount = 3

  private let grammar: ChunkGrammar

  init(_ bytes: [UInt8], grammar: ChunkGrammar) {
    rest = bytes[...]
    self.grammar = grammar
  }

  /// The next line as Latin-1, nil when it has not come whole; throws what is not acceptable.
  private mutating func line(limit: Int) throws -> String? {
    guard let end = rest.firstIndex(of: 0x0A) else {
      if rest.count > limit + 1 { throw Refused() }
      return nil
    }
    let line = rest[..<end]
    guard line.last == 0x0D, line.count <= limit + 1 else { throw Refused() }
    rest = rest[(end + 1)...]
    return String(String.UnicodeScalarView(line.dropLast().map { UnicodeScalar($0) }))
  }

  private struct Refused: Error {}

  mutating func decode() -> Outcome {
    do {
      while true {
        guard let line = try line(limit: 256) else { return .incomplete }
        guard let match = try grammar.chunkLine?.wholeMatch(in: line) else { return .refused }
        headerBytes += match.output.2.unicodeScalars.count
        let digits = match.output.1.drop { $0 == "0" }
        let size = digits.isEmpty ? 0 : Int(digits, radix: 16) ?? .max
        guard headerBytes <= 300, size <= 200 - body.count else { return .refused }
        if size == 0 { return try decodeTrailers() }
        body += rest.prefix(size)
        guard rest.count >= size else { return .incomplete }
        rest = rest.dropFirst(size)
        let end = rest.prefix(2)
        if !end.elementsEqual([0x0D, 0x0A]) {
          return end.elementsEqual([0x0D]) || end.isEmpty ? .incomplete : onlyByte(end)
        }
        rest = rest.dropFirst(2)
      }
    } catch {
      return .refused
    }
  }

  /// One wrong byte after the data is refused when it is seen to be wrong: with the next one.
  private func onlyByte(_ end: ArraySlice<UInt8>) -> Outcome {
    end.count == 1 && end.first != 0x0A ? .incomplete : .refused
  }

  private mutating func decodeTrailers() throws -> Outcome {
    while true {
      guard let line = try line(limit: 300 - headerBytes) else { return .incomplete }
      if line.isEmpty { return .complete }
      headerBytes += line.unicodeScalars.count
      headerCount += 1
      guard headerCount <= 8, try grammar.fieldLine?.wholeMatch(in: line) != nil else {
        return .refused
      }
    }
  }
}
