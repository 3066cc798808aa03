// Requests that nobody should send: an answer or an end, never a trap.

import HTTP
import Testing

/// The parser's outcome depends on the bytes alone, and no bytes trap it.
@Suite("Hostile bytes")
struct HostileBytesTests {
  private static let corpus: [String] = [
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
  private static var limits: HTTPLimits {
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

  #if DEBUG
    private static let mutations = 5_000
  #else
    private static let mutations = 100_000
  #endif

  @Test("mutated requests give the same whole and in random pieces")
  func mutated() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the mutated requests: \(seed)")
    var generator = SplitMix(state: seed)
    var accepted = 0
    var refused = 0
    for _ in 0..<Self.mutations {
      let bytes = Self.mutate(&generator)
      let whole = ConnectionDriver.run([bytes], limits: Self.limits)
      let pieces = ConnectionDriver.run(Self.cut(bytes, &generator), limits: Self.limits)
      if whole != pieces {
        Issue.record("seed \(seed): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
        return
      }
      #expect(whole.requests.allSatisfy { $0.body.count <= 200 && $0.headers.fields.count <= 8 })
      accepted += whole.requests.count
      refused += whole.isShutDown ? 1 : 0
    }
    // Mutations that all die in the first line would test nothing further in.
    #expect(accepted > Self.mutations / 10 && refused > Self.mutations / 10)
  }

  private static let tokens = [
    "\r\n", "\n", "\r", " ", "\t", ":", "\0", "\r\n\r\n", "Content-Length: 3\r\n",
    "ffffffffffffffff",
    "Transfer-Encoding: chunked\r\n", "Host: h\r\n", "99999999999999999999", "%", ";", "0", "-",
    "HTTP/1.1", "HTTP/9.9", "Connection: close\r\n", "Expect: 100-continue\r\n", "?", "\u{FF}", ",",
  ].map { Array($0.utf8) }

  private static func mutate(_ generator: inout SplitMix) -> [UInt8] {
    var bytes = Array(corpus[Int.random(in: 0..<corpus.count, using: &generator)].utf8)
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      let start = Int.random(in: 0...bytes.count, using: &generator)
      let end = min(bytes.count, start + Int.random(in: 0...12, using: &generator))
      switch Int.random(in: 0..<5, using: &generator) {
      case 0: bytes.removeSubrange(start..<end)
      case 1: bytes.insert(contentsOf: bytes[start..<end], at: start)
      case 2: bytes.insert(contentsOf: tokens.randomElement(using: &generator) ?? [], at: start)
      case 3:
        bytes.replaceSubrange(start..<end, with: tokens.randomElement(using: &generator) ?? [])
      default:
        for index in start..<end where Bool.random(using: &generator) {
          bytes[index] = UInt8.random(in: 0...255, using: &generator)
        }
      }
    }
    return bytes
  }

  private static func cut(_ bytes: [UInt8], _ generator: inout SplitMix) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = Int.random(in: 1...40, using: &generator)
      pieces.append(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    return pieces
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014): repeatable from its seed.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
