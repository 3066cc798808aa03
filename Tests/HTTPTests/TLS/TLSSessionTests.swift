// TLS as a state machine against OpenSSL's own client, in memory, with bytes split everywhere.

import COpenSSL
import HTTP
import TestSupport
import Testing

@Suite("TLS without a socket")
struct TLSSessionTests {
  private let certificates: TestCertificates
  private let credentials: TLSCredentials

  init() throws {
    certificates = try TestCertificates.shared.get()
    credentials = try TLSCredentials(certificates.files)
  }

  /// What both sides saw of an exchange.
  private struct Outcome: Equatable {
    var server: [UInt8] = []
    var client: [UInt8] = []
    var state = TLSSession.State.handshake
    /// Bytes that the client sent, encrypted.
    var length = 0
  }

  /// Client and server talk until both are silent. The client says `request` and close_notify, the
  /// server repeats what it gets. `cut` splits what the client sends; it is told how much the
  /// client has sent before.
  private func exchange(
    _ version: Int32, _ request: [UInt8], cut: (_ sent: Int, _ bytes: [UInt8]) -> [[UInt8]]
  ) throws -> Outcome {
    let peer = try TLSPeer(version: version, authority: certificates.path("ca.pem"))
    let session = credentials.makeSession()
    var outcome = Outcome()
    var isAsked = false
    while true {
      outcome.client += try peer.read()
      if peer.isEstablished, !isAsked {
        isAsked = true
        try peer.write(request)
        peer.close()
      }
      let bytes = peer.takeOutput()
      if bytes.isEmpty, session.unsent.isEmpty { break }
      for piece in cut(outcome.length, bytes) {
        let plain = session.receive(piece)
        outcome.server += plain
        var rest = plain[...]
        while !rest.isEmpty, session.canEncrypt { rest = rest.dropFirst(session.encrypt(rest)) }
      }
      outcome.length += bytes.count
      peer.feed(session.unsent)
      session.didSend(session.unsent.count)
    }
    outcome.state = session.state
    return outcome
  }

  @Test("split at every position", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func splits(version: Int32) throws {
    let request = Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
    let whole = try exchange(version, request) { [$1] }
    #expect(whole.server == request && whole.client == request)
    #expect(whole.state == .ended)
    // Signatures differ in length by a byte or two from one handshake to the next.
    for position in 1..<(whole.length + 4) {
      let split = try exchange(version, request) { sent, bytes in
        let here = min(max(position - sent, 0), bytes.count)
        return [Array(bytes[..<here]), Array(bytes[here...])].filter { !$0.isEmpty }
      }
      guard split.server == request, split.client == request, split.state == .ended else {
        Issue.record("at \(position): \(split)")
        return
      }
    }
    let single = try exchange(version, request) { $1.map { [$0] } }
    #expect(single.server == request && single.state == .ended)
  }

  @Test("long messages in random pieces", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func pieces(version: Int32) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the pieces: \(seed)")
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<8 {
      let request = (0..<Int.random(in: 1...200_000, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      let outcome = try exchange(version, request) { _, bytes in
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
          let count = Int.random(in: 1...20_000, using: &generator)
          pieces.append(Array(rest.prefix(count)))
          rest = rest.dropFirst(count)
        }
        return pieces
      }
      #expect(outcome.server == request && outcome.client == request, "seed \(seed)")
    }
  }

  #if DEBUG
    private static let mutations = 2_000
  #else
    private static let mutations = 20_000
  #endif

  @Test("changed bytes end in failure, and never in other plain text")
  func mutated() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the mutated handshakes: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let request = [UInt8](repeating: 0x61, count: 40)
    var failures = 0
    for _ in 0..<Self.mutations {
      let target = Int.random(in: 0..<900, using: &generator)
      let version = Bool.random(using: &generator) ? TLS1_2_VERSION : TLS1_3_VERSION
      let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
      let garbage = Int.random(in: 0..<4, using: &generator)
      // The client may be the one to notice: it then throws.
      let outcome = try? exchange(version, request) { sent, bytes in
        guard target >= sent, target < sent + bytes.count else { return [bytes] }
        var bytes = bytes
        bytes[target - sent] ^= bit
        let noise = (0..<garbage).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return [bytes + noise]
      }
      guard let outcome else {
        failures += 1
        continue
      }
      if outcome.state == .failed { failures += 1 }
      if !request.starts(with: outcome.server) {
        Issue.record("seed \(seed): plain text that nobody sent")
        return
      }
    }
    // Mutations behind the end of what was sent change nothing.
    #expect(failures > Self.mutations / 4)
  }

  @Test("versions before 1.2 are refused with the alert that says so")
  func oldVersions() throws {
    for version in [TLS1_VERSION, TLS1_1_VERSION] {
      let peer = try TLSPeer(
        version: version, authority: certificates.path("ca.pem"), ciphers: "ALL:@SECLEVEL=0")
      _ = try peer.read()
      let session = credentials.makeSession()
      let hello = peer.takeOutput()
      #expect(!hello.isEmpty)
      #expect(session.receive(hello).isEmpty)
      #expect(session.state == .failed)
      // Fatal, protocol_version (RFC 8446, section 6.2).
      #expect(session.unsent.suffix(2) == [2, 70])
    }
  }

  @Test(
    "ciphers without forward secrecy or authenticated encryption are refused",
    arguments: [
      "AES128-GCM-SHA256", "AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
      "ECDHE-ECDSA-AES128-CCM", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-NULL-SHA",
      "AECDH-AES128-SHA",
    ])
  func weakCiphers(name: String) throws {
    let peer = try TLSPeer(
      version: TLS1_2_VERSION, authority: certificates.path("ca.pem"),
      ciphers: "\(name):@SECLEVEL=0")
    _ = try peer.read()
    let session = credentials.makeSession()
    _ = session.receive(peer.takeOutput())
    #expect(session.state == .failed)
    // Fatal, handshake_failure.
    #expect(session.unsent.suffix(2) == [2, 40])
  }

  @Test("a new handshake within the connection is refused")
  func renegotiation() throws {
    let (peer, session) = try connect(TLS1_2_VERSION)
    peer.renegotiate()
    _ = session.receive(peer.takeOutput())
    #expect(session.state == .failed || !session.unsent.isEmpty)
    peer.feed(session.unsent)
    #expect(throws: TLSPeer.Failure.self) { try peer.read() }
  }

  @Test("new keys are taken and given, and the stream goes on")
  func keyUpdate() throws {
    let (peer, session) = try connect(TLS1_3_VERSION)
    for _ in 0..<3 {
      try peer.updateKeys()
      try peer.write([1, 2, 3])
      #expect(session.receive(peer.takeOutput()) == [1, 2, 3])
      #expect(session.encrypt([4, 5]) == 2)
      peer.feed(session.unsent)
      session.didSend(session.unsent.count)
      #expect(try peer.read() == [4, 5])
    }
  }

  @Test("a client that asks for new keys without end and takes no answer is not read any more")
  func keyUpdateFlood() throws {
    let (peer, session) = try connect(TLS1_3_VERSION)
    var rounds = 0
    while session.wantsInput {
      for _ in 0..<500 { try peer.updateKeys() }
      _ = session.receive(peer.takeOutput())
      rounds += 1
      try #require(rounds < 100)
    }
    #expect(session.state == .established && session.unsent.count < 100_000)
    peer.feed(session.unsent)
    session.didSend(session.unsent.count)
    #expect(session.wantsInput)
    try peer.write([1])
    #expect(session.receive(peer.takeOutput()) == [1])
  }

  @Test("no more than a record is encrypted at once")
  func recordBound() throws {
    let (peer, session) = try connect(TLS1_3_VERSION)
    let bytes = [UInt8](repeating: 7, count: 100_000)
    #expect(session.encrypt(bytes[...]) == TLSSession.recordBytes)
    #expect(session.unsent.count < TLSSession.recordBytes + 300)
    peer.feed(session.unsent)
    #expect(try peer.read().count == TLSSession.recordBytes)
  }

  private func connect(_ version: Int32) throws -> (TLSPeer, TLSSession) {
    let peer = try TLSPeer(version: version, authority: certificates.path("ca.pem"))
    let session = credentials.makeSession()
    while !peer.isEstablished || session.state == .handshake {
      _ = try peer.read()
      _ = session.receive(peer.takeOutput())
      peer.feed(session.unsent)
      session.didSend(session.unsent.count)
      try #require(session.state != .failed)
    }
    return (peer, session)
  }
}
