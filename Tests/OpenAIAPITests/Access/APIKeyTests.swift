// Keys: their hash against published values, their comparison, and files of them.

import Foundation
import HTTP
import OpenAIAPI
import TestSupport
import Testing

@Suite("API keys")
struct APIKeyTests {
  private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
  }

  @Test("SHA-256 gives the values of FIPS 180-4's examples, and of lengths around a block")
  func hash() {
    // The first three and the last: NIST's example values; the others: coreutils' sha256sum.
    let cases: [(String, String)] = [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        String(repeating: "a", count: 55),
        "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"
      ),
      (
        String(repeating: "a", count: 64),
        "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"
      ),
      (
        String(repeating: "a", count: 1_000_000),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
      ),
    ]
    for (text, digest) in cases { #expect(hexadecimal(SHA256.digest(text.utf8)) == digest) }
  }

  @Test("hashes are equal when all their bytes are, and the mask says nothing else")
  func comparison() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2000 {
      let one = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(APIKeys.equalityMask(one, one) == -1, "seed \(seed)")
      var other = one
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        other[Int.random(in: 0..<32, using: &random)] ^=
          1 << UInt8.random(in: 0..<8, using: &random)
      }
      #expect(APIKeys.equalityMask(one, other) == (one == other ? -1 : 0), "seed \(seed)")
    }
  }

  @Test("a key is found among many wherever it stands, and nothing near it is")
  func finding() throws {
    let texts = (0..<200).map { "sk-key-\($0)" }
    let keys = try APIKeys(list: [texts.joined(separator: ",")])
    for (text, key) in zip(texts, keys.keys) {
      #expect(keys.find(text.utf8) == key)
      for near in [text + "0x", String(text.dropLast()) + "x", text.uppercased(), " " + text] {
        #expect(keys.find(near.utf8) == nil)
      }
    }
    #expect(keys.find("".utf8) == nil)
    #expect(APIKeys().find("anything".utf8) == nil)
  }

  @Test("a file has names, limits and comments")
  func file() throws {
    let text = """
      # who may come in

      sk-plain-1
        alice:sk-alice requests=60 tokens=100000\r
      bob:sk-bob/+=~._-\tconcurrent=4
      #carol:sk-carol
      """
    let keys = try APIKeys(file: Array(text.utf8)).keys
    #expect(keys.map(\.name).dropFirst() == ["alice", "bob"])
    #expect(keys[0].name.hasPrefix("key-") && !keys[0].name.contains("plain"))
    #expect(keys[1].limits == ClientLimits(requestsPerMinute: 60, tokensPerMinute: 100_000))
    #expect(keys[2].limits == ClientLimits(concurrentRequests: 4))
    #expect(keys.map(\.digest).contains(SHA256.digest("sk-bob/+=~._-".utf8)))
    #expect(Set(keys.map(\.client)).count == 3)
    let defaults = ClientLimits(requestsPerMinute: 5, concurrentRequests: 9)
    #expect(
      keys[1].limits.or(defaults)
        == ClientLimits(requestsPerMinute: 60, tokensPerMinute: 100_000, concurrentRequests: 9))
  }

  @Test(
    "what is wrong is refused by line, and the key is not repeated",
    arguments: [
      "", "# nothing", "a:b:c", "name:", ":key", "schlüssel", "key requests", "key requests=0",
      "key requests=-1", "key requests=1e3", "key tokens=99999999999999999999", "key speed=9",
      "key requests=1 requests=2", "key\u{0}", "secret1\nsecret1", "n:secret1\nn:secret2",
      "x" + String(repeating: "y", count: 600),
    ])
  func refusals(text: String) {
    let error = #expect(throws: APIKeyError.self) { try APIKeys(file: Array(text.utf8)) }
    let words = "\(error?.description ?? "")"
    #expect(!words.contains("secret") && !words.contains("schl") && !words.contains("yyy"))
  }

  @Test("no file of bytes traps, and there is an end to its keys")
  func hostileFiles() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    let alphabet = Array("ab:=# \t\r\n,requests=1tokens\u{0}\u{FF}".utf8)
    for _ in 0..<3000 {
      let length = Int.random(in: 0..<60, using: &random)
      _ = try? APIKeys(file: (0..<length).map { _ in alphabet.randomElement(using: &random)! })
    }
    let many = (0...APILimits.apiKeys).map { "k\($0)" }.joined(separator: "\n")
    #expect(throws: APIKeyError.self) { try APIKeys(file: Array(many.utf8)) }
  }
}
