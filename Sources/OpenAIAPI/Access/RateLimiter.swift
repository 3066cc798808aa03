// Who has asked for how much lately, and whether the next request may begin. Pure: time is given.

/// Buckets and running requests of all clients. The number of clients it remembers is bounded: who
/// has full buckets and nothing running is as good as unknown and is forgotten; when even so all
/// places are taken, newcomers share one.
package struct RateLimiter {
  /// Why a request may not begin, and when one may.
  package struct Refusal: Error, Equatable {
    package enum Kind { case requests, tokens, concurrency }
    package let kind: Kind
    /// The limit, and how much of it is left.
    package let limit: Int
    package let remaining: Int
    /// Nanoseconds; nil when nobody can tell.
    package let wait: UInt64?
  }

  /// A bucket as its client is told of it.
  package struct Gauge: Equatable {
    package let limit: Int
    package let remaining: Int
    /// Nanoseconds until it is full.
    package let reset: UInt64

    init(_ bucket: TokenBucket) {
      limit = bucket.capacity
      remaining = bucket.remaining
      reset = bucket.waitUntilFull
    }
  }

  private struct State {
    var requests: TokenBucket?
    var tokens: TokenBucket?
    var running = 0

    var isFresh: Bool {
      running == 0 && requests?.isFull ?? true && tokens?.isFull ?? true
    }

    mutating func update(_ limits: ClientLimits, now: UInt64) {
      Self.update(&requests, limits.requestsPerMinute, now)
      Self.update(&tokens, limits.tokensPerMinute, now)
    }

    private static func update(_ bucket: inout TokenBucket?, _ capacity: Int?, _ now: UInt64) {
      guard let capacity else {
        bucket = nil
        return
      }
      bucket?.refill(now)
      if bucket?.capacity != capacity { bucket?.resize(capacity) }
      if bucket == nil { bucket = TokenBucket(capacity: capacity, now: now) }
    }

    mutating func refill(_ now: UInt64) {
      requests?.refill(now)
      tokens?.refill(now)
    }
  }

  /// A request's place: what `release` gives back.
  package struct Place: Equatable {
    fileprivate let client: Int?
  }

  private let capacity: Int
  private var clients: [Int: State] = [:]
  /// Of all who found no place.
  private var others = State()
  private var lastSweep: UInt64?

  /// - Parameter capacity: clients that are told apart.
  package init(capacity: Int = APILimits.trackedClients) { self.capacity = capacity }

  package var clientCount: Int { clients.count }

  /// Begins a request: takes one from the bucket of requests, and a place among those running.
  package mutating func begin(
    _ client: Int, limits: ClientLimits, now: UInt64
  ) throws(Refusal) -> (place: Place, requests: Gauge?) {
    let place = place(for: client, now: now)
    var state = self[place]
    state.update(limits, now: now)
    defer { self[place] = state }
    if let limit = limits.concurrentRequests, state.running >= limit {
      throw Refusal(kind: .concurrency, limit: limit, remaining: 0, wait: nil)
    }
    if let bucket = state.requests, bucket.remaining < 1 {
      throw Refusal(
        kind: .requests, limit: bucket.capacity, remaining: 0, wait: bucket.wait(for: 1))
    }
    state.requests?.take(1)
    state.running += 1
    return (place, state.requests.map(Gauge.init))
  }

  /// Reserves tokens for a request that has begun.
  package mutating func charge(
    _ tokens: Int, at place: Place, now: UInt64
  ) throws(Refusal) -> Gauge? {
    var state = self[place]
    state.refill(now)
    defer { self[place] = state }
    guard let bucket = state.tokens else { return nil }
    let wait = bucket.wait(for: tokens)
    guard wait == 0 else {
      throw Refusal(
        kind: .tokens, limit: bucket.capacity, remaining: bucket.remaining, wait: wait)
    }
    state.tokens?.take(tokens)
    return state.tokens.map(Gauge.init)
  }

  /// Ends a request.
  /// - Parameter unused: reserved tokens that it did not use; negative when it used more.
  package mutating func release(_ place: Place, unused: Int, now: UInt64) {
    var state = self[place]
    state.refill(now)
    state.tokens?.take(-unused)
    state.running -= 1
    self[place] = state
  }

  // MARK: - Places

  private subscript(place: Place) -> State {
    get { place.client.map { clients[$0] ?? State() } ?? others }
    set {
      if let client = place.client { clients[client] = newValue } else { others = newValue }
    }
  }

  private mutating func place(for client: Int, now: UInt64) -> Place {
    if clients[client] != nil { return Place(client: client) }
    if clients.count >= capacity { sweep(now) }
    return Place(client: clients.count < capacity ? client : nil)
  }

  /// Forgets who is as good as unknown. Not too often: an attacker with many addresses would
  /// otherwise have all places looked through for each request.
  private mutating func sweep(_ now: UInt64) {
    if let lastSweep, now < lastSweep + Self.sweepInterval { return }
    lastSweep = now
    clients = clients.filter { entry in
      var state = entry.value
      state.refill(now)
      return !state.isFresh
    }
  }

  private static let sweepInterval: UInt64 = 1_000_000_000
}
