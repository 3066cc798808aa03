// A blocking client for tests, which writes and reads exactly what it is told.

import HTTP
import Platform

/// A blocking client, plain or through TLS.
final class TestClient {
  struct Answer {
    let status: Int
    let head: String
    let body: [UInt8]
    var text: String { String(decoding: body, as: UTF8.self) }
  }

  struct Failure: Error { let reason: String }

  private let socket: Socket
  private let tls: TLSPeer?
  private var buffer: [UInt8] = []

  /// - Parameter source: the address to come from; nil leaves it to the system.
  init(
    port: UInt16, host: String = "127.0.0.1", from source: String? = nil, tls: TLSPeer? = nil
  ) throws {
    socket = try Socket.connect(
      to: .resolve(host: host, port: port), timeout: 60,
      from: source.map { source throws(PlatformError) in try .resolve(host: source, port: 0) })
    self.tls = tls
    while let tls, !tls.isEstablished { guard try fill() else { throw Self.early } }
  }

  private static let early = Failure(reason: "stream ended early")

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    guard let tls else { return try sendAsIs(bytes) }
    try tls.write(bytes)
    try sendAsIs(tls.takeOutput())
  }

  /// Past TLS.
  func sendAsIs(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let count = try socket.send(rest) else { throw Failure(reason: "send timed out") }
      rest = rest.dropFirst(count)
    }
  }

  /// Ends the stream, as TLS says it where there is TLS.
  func endSending() throws {
    guard let tls else { return shutdownWrite() }
    tls.close()
    try sendAsIs(tls.takeOutput())
  }

  /// Ends the stream without a word of TLS.
  func shutdownWrite() { socket.shutdownWrite() }

  /// Reads once more; false at the end of the stream, which TLS must have told.
  private func fill() throws -> Bool {
    if let tls {
      buffer += try tls.read()
      try sendAsIs(tls.takeOutput())
      if tls.isEnded { return false }
    }
    guard let bytes = try socket.receive(upTo: 1 << 16) else {
      throw Failure(reason: "receive timed out")
    }
    guard let tls else {
      buffer += bytes
      return !bytes.isEmpty
    }
    guard !bytes.isEmpty else { throw Self.early }
    tls.feed(bytes)
    buffer += try tls.read()
    return true
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while buffer.count < count {
      guard try fill() else { throw Self.early }
    }
    defer { buffer.removeFirst(count) }
    return Array(buffer.prefix(count))
  }

  private func takeLine() throws -> String {
    while true {
      if let end = buffer.firstIndex(of: 0x0A) {
        return String(decoding: try take(end + 1).dropLast(2), as: UTF8.self)
      }
      guard try fill() else { throw Self.early }
    }
  }

  func head() throws -> (status: Int, head: String) {
    var lines = [try takeLine()]
    while let line = lines.last, !line.isEmpty { lines.append(try takeLine()) }
    return (Int(lines[0].split(separator: " ")[1]) ?? 0, lines.joined(separator: "\n"))
  }

  /// The data of the next chunk; empty for the last.
  func chunk() throws -> [UInt8] {
    let size = Int(try takeLine(), radix: 16) ?? 0
    return try Array(take(size + 2).dropLast(2))
  }

  func answer() throws -> Answer {
    let (status, head) = try head()
    var body: [UInt8] = []
    if head.contains("Transfer-Encoding: chunked") {
      while case let chunk = try chunk(), !chunk.isEmpty { body += chunk }
    } else if let field = head.split(separator: "\n").first(where: { $0.hasPrefix("Content-L") }) {
      body = try take(Int(field.split(separator: " ")[1]) ?? 0)
    }
    return Answer(status: status, head: head, body: body)
  }

  /// Everything up to the end of the stream.
  func rest() throws -> [UInt8] {
    while try fill() {}
    defer { buffer = [] }
    return buffer
  }
}

/// A handler from a closure, which takes whole requests.
struct ClosureHandler: RequestHandler {
  let body: @Sendable (Request, Responder) -> Void

  func handle(_ head: Request, _ responder: Responder) -> BodyHandler? {
    { body($0, responder) }
  }
}

/// Values that arrive from other threads, awaited in order.
final class Mailbox<Element: Sendable>: Sendable {
  private let stream: AsyncStream<Element>
  private let continuation: AsyncStream<Element>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream(of: Element.self) }

  func put(_ element: Element) { continuation.yield(element) }

  func next() async -> Element? {
    var iterator = stream.makeAsyncIterator()
    return await iterator.next()
  }
}
