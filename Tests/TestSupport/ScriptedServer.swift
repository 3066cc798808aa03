// A server that does exactly what a test tells it, however wrong that is.

import Dispatch
import Glibc
import Platform

/// Answers each request on the loopback interface with a script of raw bytes.
///
/// Unchecked because all mutable state is touched on `queue` alone.
public final class ScriptedServer: @unchecked Sendable {
  public enum Step: Sendable {
    case send(String)
    /// Ends the connection in order.
    case close
    /// Ends it with a reset.
    case reset
  }

  private final class Client {
    let socket: Socket
    var source: (any DispatchSourceRead)?
    var received: [UInt8] = []

    init(_ socket: Socket) { self.socket = socket }
  }

  private let queue = DispatchQueue(label: "scripted")
  private let listener: Socket
  private let script: @Sendable (_ number: Int, _ request: String) -> [Step]
  private var source: (any DispatchSourceRead)?
  private var clients: [ObjectIdentifier: Client] = [:]
  private var requests = 0
  /// Connections accepted so far.
  private var accepted = 0
  /// The port it listens on.
  public let port: UInt16

  /// - Parameter script: what to do about a whole request, which is the `number`-th.
  public init(
    _ script: @escaping @Sendable (_ number: Int, _ request: String) -> [Step]
  ) throws {
    self.script = script
    listener = try Socket.listen(at: .resolve(host: "127.0.0.1", port: 0))
    port = try listener.localAddress().port
    let source = DispatchSource.makeReadSource(fileDescriptor: listener.raw, queue: queue)
    source.setEventHandler { [weak self] in self?.accept() }
    source.setCancelHandler { [listener] in withExtendedLifetime(listener) {} }
    source.activate()
    self.source = source
  }

  /// Connections accepted so far.
  public var connections: Int { queue.sync { accepted } }

  /// Ends the listener and all connections.
  public func stop() {
    queue.sync {
      source?.cancel()
      for client in clients.values { end(client) }
    }
  }

  private func accept() {
    while let (socket, _) = (try? listener.accept()).flatMap({ $0 }) {
      accepted += 1
      let client = Client(socket)
      clients[ObjectIdentifier(client)] = client
      let source = DispatchSource.makeReadSource(fileDescriptor: socket.raw, queue: queue)
      source.setEventHandler { [weak self, weak client] in
        if let client { self?.receive(client) }
      }
      source.setCancelHandler { withExtendedLifetime(socket) {} }
      source.activate()
      client.source = source
    }
  }

  private func receive(_ client: Client) {
    do throws(PlatformError) {
      // Nothing may be there after all.
      guard let bytes = try client.socket.receive(upTo: 1 << 16) else { return }
      guard !bytes.isEmpty else { return end(client) }
      client.received += bytes
    } catch {
      return end(client)
    }
    while client.source != nil, let request = takeRequest(client) {
      requests += 1
      for step in script(requests - 1, request) { perform(step, client) }
    }
  }

  /// One request whose body is told by Content-Length.
  private func takeRequest(_ client: Client) -> String? {
    let text = String(decoding: client.received, as: UTF8.self)
    guard let head = text.firstRange(of: "\r\n\r\n") else { return nil }
    let fields = text[..<head.lowerBound].split(separator: "\r\n")
    let length = fields.first { $0.lowercased().hasPrefix("content-length:") }
      .flatMap { Int($0.split(separator: " ").last ?? "") }
    let size = text[..<head.upperBound].utf8.count + (length ?? 0)
    guard client.received.count >= size else { return nil }
    defer { client.received.removeFirst(size) }
    return String(decoding: client.received.prefix(size), as: UTF8.self)
  }

  private func perform(_ step: Step, _ client: Client) {
    switch step {
    case .send(let text): _ = try? client.socket.send(Array(text.utf8)[...])
    case .close:
      // At once; the socket itself is closed when its source lets go of it.
      shutdown(client.socket.raw, Int32(SHUT_WR))
      end(client)
    case .reset:
      var option = linger(l_onoff: 1, l_linger: 0)
      _ = unsafe setsockopt(
        client.socket.raw, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
      end(client)
    }
  }

  private func end(_ client: Client) {
    client.source?.cancel()
    client.source = nil
    clients[ObjectIdentifier(client)] = nil
  }
}
