// The door over sockets: every route with and without keys, and what clients are told of limits.

import Foundation
import HTTP
import JSON
import OpenAIAPI
import Synchronization
import Testing

/// A server behind a door.
struct GuardedServer {
  let service: TestService
  let control: AccessControl
  let server: TestServer

  init(
    keys: APIKeys = APIKeys(), limits: ClientLimits = ClientLimits(),
    clock: @escaping @Sendable () -> UInt64 = { 0 }, change: (inout AccessPolicy) -> Void = { _ in }
  ) throws {
    service = try TestService()
    var policy = AccessPolicy()
    policy.limits = limits
    change(&policy)
    control = AccessControl(
      policy, keys: keys, next: ServiceRoutes(Service(model: service.model)), clock: clock)
    server = try TestServer(handler: control)
  }

  /// One request with header lines of its own.
  func ask(
    _ method: String, _ path: String, _ headers: [String] = [], _ body: JSONValue? = nil
  ) throws -> APIAnswer {
    try server.exchange(
      method, path, body: body?.serialized() ?? [],
      type: (["application/json"] + headers).joined(separator: "\r\n"))
  }

  func complete(_ headers: [String] = [], maxTokens: Int = 2) throws -> APIAnswer {
    try ask(
      "POST", "/v1/completions", headers,
      ["prompt": [97], "temperature": 0, "max_tokens": .integer(maxTokens)])
  }
}

extension APIAnswer {
  /// The value of a header field.
  func header(_ name: String) -> String? {
    head.components(separatedBy: "\r\n").dropFirst().first {
      $0.lowercased().hasPrefix(name.lowercased() + ":")
    }.map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
  }
}

@Suite("Access control", .timeLimit(.minutes(5)))
struct AccessControlTests {
  static let keys = { try? APIKeys(list: ["alice:sk-alice,bob:sk-bob"]) }() ?? APIKeys()
  static let routes = [
    "/v1/models", "/v1/models/alphabet", "/v1/completions", "/v1/chat/completions", "/tokenize",
    "/detokenize", "/metrics", "/ready", "/nowhere", "/health/", "/HEALTH", "/health/../v1/models",
    "//health", "/healthz", "/",
  ]
  static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
  static let wrong = [
    "Authorization: Bearer sk-wrong", "Authorization: Bearer ", "Authorization: sk-alice",
    "Authorization: Basic sk-alice", "Authorization: Bearer sk-alice x",
    "Authorization: Bearer sk-alice\r\nAuthorization: Bearer sk-alice",
    "Authorization: Bearer SK-ALICE", "X-Api-Key: sk-alice", "Authorization: Bearer alice:sk-alice",
    "Authorization: Bearer \(String(repeating: "x", count: 4000))",
  ]

  @Test("without a key no route but /health answers, whatever the method", arguments: methods)
  func table(method: String) throws {
    let guarded = try GuardedServer(keys: Self.keys)
    for route in Self.routes {
      let without = try guarded.ask(method, route)
      #expect(without.status == 401, "\(method) \(route)")
      #expect(without.header("WWW-Authenticate")?.hasPrefix("Bearer") == true)
      if method != "HEAD" {
        #expect(without.error["code"] == "invalid_api_key")
        #expect(without.error["type"] == "invalid_request_error")
      }
      let with = try guarded.ask(method, route, ["Authorization: Bearer sk-bob"])
      #expect(with.status != 401, "\(method) \(route)")
    }
    #expect(try guarded.ask(method, "/health").status != 401)
  }

  @Test("wrong keys of every kind are refused, right ones in any case of the scheme are not")
  func keys() throws {
    let guarded = try GuardedServer(keys: Self.keys)
    for header in Self.wrong {
      let answer = try guarded.ask("GET", "/v1/models", [header])
      #expect(answer.status == 401, "\(header)")
      #expect(!String(decoding: answer.body, as: UTF8.self).contains("sk-"))
    }
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer  "] {
      let answer = try guarded.ask("GET", "/v1/models", ["Authorization: \(scheme) sk-alice"])
      #expect(answer.status == 200, "\(scheme)")
    }
  }

  @Test("replaced keys hold from the next request on")
  func replacing() throws {
    let guarded = try GuardedServer(keys: Self.keys)
    guarded.control.replace(try APIKeys(list: ["carol:sk-carol"]))
    #expect(try guarded.complete(["Authorization: Bearer sk-alice"]).status == 401)
    #expect(try guarded.complete(["Authorization: Bearer sk-carol"]).status == 200)
  }

  @Test("requests per minute: headers, a refusal with its time, and the time being true")
  func requests() throws {
    let now = Mutex<UInt64>(1)
    let guarded = try GuardedServer(
      keys: Self.keys, limits: ClientLimits(requestsPerMinute: 2),
      clock: { now.withLock { $0 } })
    let alice = ["Authorization: Bearer sk-alice"]
    let first = try guarded.complete(alice)
    #expect(first.header("x-ratelimit-limit-requests") == "2")
    #expect(first.header("x-ratelimit-remaining-requests") == "1")
    #expect(first.header("x-ratelimit-reset-requests") == "30s")
    #expect(try guarded.complete(alice).status == 200)
    let refused = try guarded.complete(alice)
    #expect(refused.status == 429)
    #expect(refused.error["code"] == "rate_limit_exceeded")
    #expect(refused.header("Retry-After") == "30")
    #expect(refused.header("retry-after-ms") == "30000")
    #expect(refused.header("x-ratelimit-remaining-requests") == "0")
    #expect(try guarded.complete(["Authorization: Bearer sk-bob"]).status == 200)
    #expect(try guarded.ask("GET", "/health").status == 200)
    now.withLock { $0 += 30_000_000_000 - 1 }
    #expect(try guarded.complete(alice).status == 429)
    now.withLock { $0 += 1 }
    #expect(try guarded.complete(alice).status == 200)
  }

  @Test("tokens per minute: reserved by estimate, settled by use")
  func tokens() throws {
    let guarded = try GuardedServer(limits: ClientLimits(tokensPerMinute: 100))
    // One token of prompt and 90 of answer are reserved, of which the end after z leaves most.
    let first = try guarded.complete(maxTokens: 90)
    #expect(first.status == 200)
    let used = first.json.at("usage.total_tokens")?.integerValue ?? 0
    #expect(used == 27)
    #expect(first.header("x-ratelimit-remaining-tokens") == "9")
    #expect(
      first.header("x-ratelimit-reset-tokens") == "54s"
        || first.header("x-ratelimit-reset-tokens") == "55s")
    // The admission ends with the session, a moment after the answer.
    var second = try guarded.complete(maxTokens: 60)
    while second.status == 429 { second = try guarded.complete(maxTokens: 60) }
    #expect(second.header("x-ratelimit-remaining-tokens") == "\(100 - used - 61)")
    var third = try guarded.complete(maxTokens: 100)
    while third.error["message"]?.stringValue?.contains("Remaining 46") != true, third.status == 429
    {
      third = try guarded.complete(maxTokens: 100)
    }
    #expect(third.status == 429)
    #expect(third.header("x-ratelimit-limit-requests") == nil)
    // A request without tokens needs none.
    #expect(try guarded.ask("GET", "/v1/models").status == 200)
  }

  @Test("concurrent requests: the place is free again when the client has left")
  func concurrency() throws {
    let guarded = try GuardedServer(limits: ClientLimits(concurrentRequests: 1))
    guarded.service.alphabet.isHeld.store(true, ordering: .relaxed)
    var connection: APIConnection? = try APIConnection(port: guarded.server.port)
    let body: JSONValue = ["prompt": [97], "max_tokens": 5, "stream": true]
    try connection?.send(
      "POST", "/v1/completions", body: body.serialized(), type: "application/json")
    _ = try connection?.receive()
    #expect(try guarded.complete().status == 429)
    connection = nil
    guarded.service.alphabet.isHeld.store(false, ordering: .relaxed)
    while try guarded.complete().status == 429 {}
  }

  @Test("a foreign Host is refused, but not when asking for health")
  func hosts() throws {
    let guarded = try GuardedServer(change: { $0.hosts = .names(["api.example.com"]) })
    // The test's client says `Host: test`.
    let answer = try guarded.ask("GET", "/v1/models")
    #expect(answer.status == 421)
    #expect(answer.error["code"] == "host_not_allowed")
    #expect(try guarded.ask("GET", "/health").status == 200)
  }

  @Test("pages are told of refusals too, and preflights need no key")
  func crossOrigin() throws {
    let guarded = try GuardedServer(
      keys: Self.keys,
      change: { $0.origins = CrossOrigin(origins: ["https://chat.example.com"]) })
    let origin = "Origin: https://chat.example.com"
    let refused = try guarded.ask("GET", "/v1/models", [origin])
    #expect(refused.status == 401)
    #expect(refused.header("Access-Control-Allow-Origin") == "https://chat.example.com")
    let preflight = try guarded.ask(
      "OPTIONS", "/v1/chat/completions",
      [origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: a"])
    #expect(preflight.status == 204)
    #expect(preflight.header("Access-Control-Allow-Headers") == "a")
    #expect(preflight.header("Vary") == "Origin")
  }
}
