// The door: who may come in, under which name of the server, from which page, and how often. What
// is let in goes on to the routes.

import Dispatch
import HTTP
import Synchronization

/// What an operator decides about access.
public struct AccessPolicy: Sendable {
  /// For every client that has none of its own.
  public var limits = ClientLimits()
  public var origins = CrossOrigin()
  public var hosts = AllowedHosts.any

  /// Everybody may come in, as often as they like.
  public init() {}
}

/// Checks each request by its head, before it is routed and before its body is read. `/health` is
/// open to everybody: those who watch a server need no key.
public final class AccessControl: RequestHandler {
  private let policy: AccessPolicy
  private let keys: Mutex<APIKeys>
  private let limiter: SharedRateLimiter
  private let next: any AdmittedRequestHandler

  /// - Parameters:
  ///   - keys: without any, no key is asked for.
  ///   - clock: nanoseconds of a monotonic clock.
  public init(
    _ policy: AccessPolicy, keys: APIKeys, next: any AdmittedRequestHandler,
    clock: @escaping @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }
  ) {
    self.policy = policy
    self.keys = Mutex(keys)
    self.next = next
    limiter = SharedRateLimiter(clock: clock)
  }

  /// Takes other keys from the next request on; requests that were let in go on.
  public func replace(_ keys: APIKeys) { self.keys.withLock { $0 = keys } }

  public func handle(_ request: Request, _ responder: Responder) -> BodyHandler? {
    for (name, value) in policy.origins.fields(for: request.headers) {
      responder.addHeader(name, value)
    }
    if policy.origins.isPreflight(request.method, request.headers) {
      responder.send(policy.origins.preflight(request.headers))
      return nil
    }
    do throws(APIError) {
      return next.handle(request, responder, try admit(request, responder))
    } catch {
      responder.send(error.response)
      return nil
    }
  }

  /// Where nothing is checked.
  private static let openPaths: Set<String> = ["/health"]

  private func admit(_ request: Request, _ responder: Responder) throws(APIError) -> Admission {
    if Self.openPaths.contains(request.path) { return .unlimited }
    try checkHost(request)
    let keys = keys.withLock { $0 }
    guard !keys.isEmpty else {
      let address = ClientAddress.group(request.peer)
      return try begin(
        client: ClientNumber.of(digest: SHA256.digest(address.utf8)), name: "this address",
        limits: policy.limits, responder)
    }
    let key = try authenticate(request, keys)
    responder.clientName = key.name
    return try begin(
      client: key.client, name: "API key `\(key.name)`", limits: key.limits.or(policy.limits),
      responder)
  }

  private func checkHost(_ request: Request) throws(APIError) {
    guard !policy.hosts.allows(request.headers["host"]) else { return }
    throw APIError(
      status: 421,
      message: "This server does not answer to the given Host; name it with --allowed-host.",
      code: "host_not_allowed")
  }

  /// Bearer tokens (RFC 6750, section 2.1).
  private func authenticate(_ request: Request, _ keys: APIKeys) throws(APIError) -> APIKey {
    let credentials = request.headers.values("authorization")
    guard credentials.count == 1, let token = Self.bearerToken(credentials[0]) else {
      throw Self.unauthorized(
        "You didn't provide an API key. Give it as header: Authorization: Bearer YOUR_KEY.",
        challenge: "Bearer realm=\"hadal\"")
    }
    guard let key = keys.find(token) else {
      throw Self.unauthorized(
        "Incorrect API key provided.",
        challenge: "Bearer realm=\"hadal\", error=\"invalid_token\"")
    }
    return key
  }

  private static func unauthorized(_ message: String, challenge: String) -> APIError {
    APIError(
      status: 401, message: message, code: "invalid_api_key",
      headers: ["WWW-Authenticate": challenge])
  }

  /// The scheme's name has no case (RFC 9110, section 11.1).
  private static func bearerToken(_ credentials: String) -> [UInt8]? {
    let bytes = Array(credentials.utf8)
    let scheme = "bearer ".utf8
    guard bytes.count > scheme.count,
      String(decoding: bytes.prefix(scheme.count), as: UTF8.self).lowercased().utf8.elementsEqual(
        scheme)
    else { return nil }
    let token = bytes.dropFirst(scheme.count).drop { $0 == 0x20 }
    return token.isEmpty ? nil : Array(token)
  }

  private func begin(
    client: Int, name: String, limits: ClientLimits, _ responder: Responder
  ) throws(APIError) -> Admission {
    guard limits != ClientLimits() else {
      return Admission(client: client, name: name, place: nil, limiter: nil)
    }
    do throws(RateLimiter.Refusal) {
      let (place, requests) = try limiter.begin(client, limits: limits)
      if let requests {
        for (name, value) in RateLimitHeaders.fields(requests, of: "requests") {
          responder.addHeader(name, value)
        }
      }
      return Admission(client: client, name: name, place: place, limiter: limiter)
    } catch {
      throw APIError(error, name: name)
    }
  }
}
