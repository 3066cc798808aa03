// Coded bodies, against what the gzip program writes and reads.

import Foundation
import HTTP
import TestSupport
import Testing

@Suite("Gzip")
struct GzipTests {
  /// `bytes` through the gzip program with these arguments.
  private func gzip(_ bytes: [UInt8], _ arguments: String...) throws -> [UInt8] {
    let folder = FileManager.default.temporaryDirectory
    let file = folder.appending(path: "hadal-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(bytes).write(to: file)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-c"] + arguments
    process.standardInput = try FileHandle(forReadingFrom: file)
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return Array(output)
  }

  /// What a handler gets of a request with this body, or the status of its refusal.
  private func decode(
    _ body: [UInt8], coding: String = "gzip", limit: Int = 1 << 24
  ) throws -> (body: [UInt8]?, status: Int) {
    let head =
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: \(coding)\r\n"
      + "Content-Length: \(body.count)\r\n\r\n"
    let request = try #require(ConnectionDriver.run([Array(head.utf8) + body]).requests.first)
    do throws(RequestError) {
      return (try request.decodedBody(limit: limit), 200)
    } catch {
      return (nil, error.status)
    }
  }

  private static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  private static func words(_ count: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: 2)
    let words = ["the", "bird", "said", "héllo", "{\"token\":", "0.25", "\n"].map { Array($0.utf8) }
    var text: [UInt8] = []
    while text.count < count { text += words.randomElement(using: &generator) ?? [] }
    return Array(text.prefix(count))
  }

  @Test("what the gzip program writes is read", arguments: [0, 1, 1000, 65_536, 1_000_003])
  func decoding(count: Int) throws {
    for bytes in [Self.noise(count), Self.words(count), [UInt8](repeating: 0, count: count)] {
      for level in ["-1", "-6", "-9"] {
        let packed = try gzip(bytes, level)
        #expect(try decode(packed).body == bytes)
        #expect(try decode(packed, limit: count).body == bytes)
        if count > 0 { #expect(try decode(packed, limit: count - 1).status == 413) }
      }
    }
  }

  @Test("what is written here the gzip program reads", arguments: [1024, 65_536, 1_000_003])
  func encoding(count: Int) throws {
    var headers = Headers()
    headers.append("Accept-Encoding", "gzip")
    for bytes in [Self.noise(count), Self.words(count)] {
      var response = Response(status: 200, contentType: "application/json", body: bytes)
      response.encode(for: AcceptEncoding(headers))
      #expect(response.headers["content-encoding"] == "gzip")
      #expect(try gzip(response.body, "-d") == bytes)
    }
  }

  @Test("the codings of RFC 9110, section 8.4.1, and those that are refused")
  func codings() throws {
    let packed = try gzip(Array("body".utf8))
    for coding in ["gzip", "GZip", "x-gzip", "gzip, identity", " , gzip"] {
      #expect(try decode(packed, coding: coding).body == Array("body".utf8), "\(coding)")
    }
    for coding in ["identity", ""] { #expect(try decode(packed, coding: coding).body == packed) }
    for coding in ["deflate", "compress", "br", "zstd", "gzip, gzip", "gzip, br", "gzip;q=1"] {
      #expect(try decode(packed, coding: coding).status == 415, "\(coding)")
    }
  }

  @Test("members follow one another, up to a limit (RFC 1952, section 2.2)")
  func members() throws {
    let parts = [Self.words(100), [], Self.noise(70_000)]
    let packed = try parts.map { try gzip($0) }
    #expect(try decode(packed.flatMap { $0 }).body == parts.flatMap { $0 })
    let single = try gzip([0x61])
    let many = [[UInt8]](repeating: single, count: 1024).flatMap { $0 }
    #expect(try decode(many).body == [UInt8](repeating: 0x61, count: 1024))
    #expect(try decode(many + single).status == 400)
  }

  @Test("what is cut or followed by something else is refused")
  func framing() throws {
    let bytes = Self.words(300)
    let packed = try gzip(bytes)
    for count in 0..<packed.count {
      #expect(try decode(Array(packed.prefix(count))).status == 400)
    }
    for tail in [[0], [0x78], [0x1F], [0x1F, 0x8B], Array(packed.dropLast())] as [[UInt8]] {
      #expect(try decode(packed + tail).status == 400)
    }
    // The bare formats of zlib (RFC 1950) and deflate (RFC 1951).
    #expect(try decode([0x78, 0x9C, 0x4B, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62]).status == 400)
    #expect(try decode([0x4B, 0x04, 0x00]).status == 400)
  }

  @Test("a changed bit is noticed or does not matter")
  func damage() throws {
    let bytes = Self.words(300)
    let packed = try gzip(bytes)
    for position in packed.indices {
      for bit in 0..<8 {
        var damaged = packed
        damaged[position] ^= 1 << bit
        let outcome = try decode(damaged)
        #expect(outcome.status == 400 || outcome.body == bytes)
      }
    }
  }

  @Test("bombs are refused before they grow")
  func bombs() throws {
    let zeros = try gzip([UInt8](repeating: 0, count: 16 << 20), "-9")
    #expect(zeros.count < 20_000)
    #expect(try decode(zeros, limit: 1 << 20).status == 413)
    let half = try gzip([UInt8](repeating: 0, count: 600_000))
    #expect(try decode(half + half, limit: 1 << 20).status == 413)
  }
}
