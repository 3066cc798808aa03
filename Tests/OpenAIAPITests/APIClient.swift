// A blocking client of a server on this machine.

import Dispatch
import Foundation
import HTTP
import JSON
import OpenAIAPI
import Platform

/// A server over a model, stopped with its last reference.
final class TestServer: Sendable {
  let port: UInt16
  private let server: Server

  var statistics: ServerStatistics { server.statistics }

  convenience init(
    _ model: ServedModel, limits: HTTPLimits = HTTPLimits(),
    timeouts: HTTPTimeouts = HTTPTimeouts(), accessLog: AccessLogSink? = nil
  ) throws {
    let routes = ServiceRoutes(Service(model: model))
    let control = AccessControl(AccessPolicy(), keys: APIKeys(), next: routes)
    let handler = AccessLog(around: control, counts: model.requests, sink: accessLog)
    try self.init(
      handler: handler, limits: limits, timeouts: timeouts,
      errorFormat: handler.observing(openAIErrorFormat))
  }

  init(
    handler: any RequestHandler, limits: HTTPLimits = HTTPLimits(),
    timeouts: HTTPTimeouts = HTTPTimeouts(), errorFormat: ErrorFormat = openAIErrorFormat
  ) throws {
    var configuration = ServerConfiguration(port: 0)
    configuration.limits = limits
    configuration.timeouts = timeouts
    configuration.errorFormat = errorFormat
    server = Server(configuration: configuration, handler: handler)
    port = try server.start()
  }

  deinit { server.stop(deadline: .now()) {} }

  /// One exchange over a connection of its own.
  func post(_ path: String, _ body: JSONValue) throws -> APIAnswer {
    try exchange("POST", path, body: body.serialized())
  }

  func get(_ path: String) throws -> APIAnswer { try exchange("GET", path) }

  func exchange(
    _ method: String, _ path: String, body: [UInt8] = [], type: String = "application/json"
  ) throws -> APIAnswer {
    let connection = try APIConnection(port: port)
    try connection.send(method, path, body: body, type: type)
    return APIAnswer(try connection.readToEnd())
  }
}

/// A connection that is read as slowly as a test wants.
final class APIConnection {
  private let socket: Socket

  init(port: UInt16) throws {
    socket = try Socket.connect(to: .resolve(host: "127.0.0.1", port: port), timeout: 60)
  }

  func send(
    _ method: String, _ path: String, body: [UInt8], type: String, keepsAlive: Bool = false
  ) throws {
    let head =
      "\(method) \(path) HTTP/1.1\r\nHost: test\r\n"
      + (keepsAlive ? "" : "Connection: close\r\n")
      + "Content-Type: \(type)\r\nContent-Length: \(body.count)\r\n\r\n"
    try send(Array(head.utf8) + body)
  }

  /// Bytes as they are.
  func send(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty { rest = rest.dropFirst(try socket.send(rest) ?? 0) }
  }

  func receive() throws -> [UInt8] { try socket.receive(upTo: 1 << 16) ?? [] }

  func readToEnd() throws -> [UInt8] {
    var bytes: [UInt8] = []
    while case let more = try receive(), !more.isEmpty { bytes += more }
    return bytes
  }
}

/// A parsed response: JSON, or the events of a stream.
struct APIAnswer {
  let status: Int
  let head: String
  let body: [UInt8]

  init(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    let parts = text.components(separatedBy: "\r\n\r\n")
    head = parts[0]
    status = Int(head.dropFirst(9).prefix(3)) ?? 0
    let rest = Array(bytes.dropFirst(head.utf8.count + 4))
    body = head.contains("chunked") ? Self.joinChunks(rest) : rest
  }

  private static func joinChunks(_ bytes: [UInt8]) -> [UInt8] {
    var rest = bytes[...]
    var joined: [UInt8] = []
    while let lineEnd = rest.firstIndex(of: 0x0D) {
      let size = Int(String(decoding: rest[..<lineEnd], as: UTF8.self), radix: 16) ?? 0
      if size == 0 { break }
      joined += rest[lineEnd + 2..<lineEnd + 2 + size]
      rest = rest[(lineEnd + 4 + size)...]
    }
    return joined
  }

  var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }

  /// The payloads of a stream's events, in order.
  var eventData: [String] {
    String(decoding: body, as: UTF8.self).components(separatedBy: "\n\n").filter { !$0.isEmpty }
      .map { String($0.dropFirst("data: ".count)) }
  }

  /// The chunks of a stream, without its closing mark.
  var chunks: [JSONValue] {
    eventData.dropLast().map { (try? JSONValue(parsing: Array($0.utf8))) ?? .null }
  }

  var error: JSONValue { json["error"] ?? .null }
}

extension JSONValue {
  /// The member at keys and indices separated by dots.
  func at(_ path: String) -> JSONValue? {
    var value: JSONValue? = self
    for part in path.split(separator: ".") {
      if let index = Int(part) {
        value = value?.arrayValue.flatMap { $0.indices.contains(index) ? $0[index] : nil }
      } else {
        value = value?[String(part)]
      }
    }
    return value
  }

  /// This object with members of another one put in their place.
  func merging(_ other: JSONValue) -> JSONValue {
    guard var object = objectValue, let other = other.objectValue else { return self }
    for (key, value) in other.members { object[key] = value }
    return .object(object)
  }
}
