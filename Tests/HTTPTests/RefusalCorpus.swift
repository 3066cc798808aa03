// The corpus of requests that are refused (`Tests/Fixtures/http/refusals.txt`), which the tests
// over real sockets share.

import Foundation
import HTTP
import TestSupport
import Testing

struct RefusedRequest: CustomTestStringConvertible {
  let status: Int
  let testDescription: String
  let bytes: [UInt8]

  static let all: [RefusedRequest] = {
    let text = (try? String(contentsOfFile: Fixtures.path("http/refusals.txt"), encoding: .utf8))
    return (text ?? "").split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
      let parts = line.split(separator: "\t")
      return RefusedRequest(
        status: Int(parts[0]) ?? 0, testDescription: "\(parts[0]) \(parts[1])",
        bytes: unescape(Array(parts[2].utf8)))
    }
  }()

  private static func unescape(_ text: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let kind = rest.popFirst() else {
        bytes.append(byte)
        continue
      }
      switch kind {
      case UInt8(ascii: "r"): bytes.append(0x0D)
      case UInt8(ascii: "n"): bytes.append(0x0A)
      case UInt8(ascii: "t"): bytes.append(0x09)
      case UInt8(ascii: "x"):
        bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
      case UInt8(ascii: "{"):
        let digits = rest.prefix { $0 != UInt8(ascii: ",") }
        rest = rest.dropFirst(digits.count + 1)
        let count = Int(String(decoding: digits, as: UTF8.self)) ?? 0
        bytes += [UInt8](repeating: rest.first ?? 0, count: count)
        rest = rest.dropFirst(2)
      default: bytes.append(kind)
      }
    }
    return bytes
  }
}

@Suite("Refused requests")
struct RefusalTests {
  @Test("each is answered with its status and the connection closed", arguments: RefusedRequest.all)
  func refused(_ request: RefusedRequest) {
    let whole = ConnectionDriver.run([request.bytes])
    #expect(whole.requests.isEmpty)
    #expect(whole.statuses == [request.status])
    #expect(whole.text.contains("\r\nConnection: close\r\n"))
    #expect(whole.text.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"))
    #expect(whole.isShutDown)
    // Long ones repeat one byte: splitting there says nothing new.
    let positions = Array(1..<min(request.bytes.count, 300)) + [request.bytes.count - 1]
    for position in positions where position < request.bytes.count {
      let parts = [Array(request.bytes[..<position]), Array(request.bytes[position...])]
      #expect(ConnectionDriver.run(parts) == whole, "split at \(position)")
    }
    #expect(ConnectionDriver.run(request.bytes.map { [$0] }) == whole, "byte by byte")
  }

  @Test("after a good request, a refused one is no part of it", arguments: RefusedRequest.all)
  func pipelined(_ request: RefusedRequest) {
    // Blank lines before a request are counted from the end of the one before.
    let good = Array("POST /good HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc".utf8)
    let transcript = ConnectionDriver.run([good + request.bytes])
    #expect(transcript.requests.map(\.path) == ["/good"])
    #expect(transcript.statuses == [200, request.status])
    #expect(transcript.isShutDown)
  }

  @Test("the corpus has all statuses, and was found")
  func completeness() {
    #expect(Set(RefusedRequest.all.map(\.status)) == [400, 413, 414, 417, 431, 501, 505])
    #expect(RefusedRequest.all.count > 130)
  }
}
