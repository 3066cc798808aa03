// A request that was let in: who asks, and what it uses of its client's limits.

import HTTP
import Serving
import Synchronization

/// Answers requests that were let in.
public protocol AdmittedRequestHandler: Sendable {
  /// As `RequestHandler.handle`; the admission is kept until the answer is complete.
  func handle(
    _ head: Request, _ responder: Responder, _ admission: Admission
  ) -> BodyHandler?
}

/// Ends with its last reference, which may go on any thread: what was reserved and not used is
/// given back then, and the client may have another request.
public final class Admission: Sendable {
  private struct Tokens {
    var reserved = 0
    var used = 0
  }

  /// For the engine, where clients take turns.
  let client: Int
  /// For messages.
  private let name: String
  private let place: RateLimiter.Place?
  private let limiter: SharedRateLimiter?
  private let tokens = Mutex(Tokens())

  /// A request of nobody in particular that nothing limits.
  static let unlimited = Admission(client: 0, name: "everybody", place: nil, limiter: nil)

  init(client: Int, name: String, place: RateLimiter.Place?, limiter: SharedRateLimiter?) {
    self.client = client
    self.name = name
    self.place = place
    self.limiter = limiter
  }

  deinit {
    guard let place, let limiter else { return }
    let tokens = tokens.withLock { $0 }
    limiter.release(place, unused: tokens.reserved - tokens.used)
  }

  /// Reserves what a request will use, by estimate: nobody knows how long answers become.
  func reserve(for request: TranslatedRequest, _ responder: Responder) throws(APIError) {
    guard let place, let limiter else { return }
    let prompts = request.prompts.reduce(0) { $0 + $1.tokens.count }
    let answers = request.prompts.reduce(0) {
      $0 + request.choicesPerPrompt * min($1.maxTokens, APILimits.expectedAnswerTokens)
    }
    do throws(RateLimiter.Refusal) {
      guard let gauge = try limiter.charge(prompts + answers, at: place) else { return }
      tokens.withLock { $0.reserved = prompts + answers }
      for (name, value) in RateLimitHeaders.fields(gauge, of: "tokens") {
        responder.addHeader(name, value)
      }
    } catch {
      throw APIError(error, name: name, requested: prompts + answers)
    }
  }

  /// Counts tokens of prompts or answers that were really used.
  func use(_ count: Int) { tokens.withLock { $0.used += count } }
}

/// The rate limiter of a server, for any thread.
final class SharedRateLimiter: Sendable {
  private let limiter: Mutex<RateLimiter>
  private let clock: @Sendable () -> UInt64

  /// - Parameter clock: nanoseconds of a monotonic clock.
  init(_ limiter: RateLimiter = RateLimiter(), clock: @escaping @Sendable () -> UInt64) {
    self.limiter = Mutex(limiter)
    self.clock = clock
  }

  func begin(
    _ client: Int, limits: ClientLimits
  ) throws(RateLimiter.Refusal) -> (place: RateLimiter.Place, requests: RateLimiter.Gauge?) {
    let now = clock()
    return try limiter.withLock { limiter throws(RateLimiter.Refusal) in
      try limiter.begin(client, limits: limits, now: now)
    }
  }

  func charge(
    _ tokens: Int, at place: RateLimiter.Place
  ) throws(RateLimiter.Refusal) -> RateLimiter.Gauge? {
    let now = clock()
    return try limiter.withLock { limiter throws(RateLimiter.Refusal) in
      try limiter.charge(tokens, at: place, now: now)
    }
  }

  func release(_ place: RateLimiter.Place, unused: Int) {
    let now = clock()
    limiter.withLock { $0.release(place, unused: unused, now: now) }
  }
}
