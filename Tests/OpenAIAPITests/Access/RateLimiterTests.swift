// Buckets against a brute-force definition, and the limiter's promises: times to wait that are
// true, and bounded memory that forgets nobody's debts.

import OpenAIAPI
import TestSupport
import Testing

/// What a token bucket is, second by second.
private struct SlowBucket {
  let capacity: Int
  /// In sixtieths of a unit, so that each second brings `capacity` of them.
  var level: Int

  init(capacity: Int) {
    self.capacity = capacity
    level = capacity * 60
  }

  mutating func tick() { level = min(capacity * 60, level + capacity) }
}

@Suite("Rate limits")
struct RateLimiterTests {
  private static let second: UInt64 = 1_000_000_000

  @Test("a bucket holds what stepping through its seconds says")
  func bucket() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      let capacity = [1, 3, 60, 997, 1_000_000_000].randomElement(using: &random)!
      let start = UInt64.random(in: 0..<1 << 60, using: &random)
      var (bucket, slow) = (
        TokenBucket(capacity: capacity, now: start), SlowBucket(capacity: capacity)
      )
      var seconds: UInt64 = 0
      for _ in 0..<60 {
        let quiet = Int.random(in: 0..<40, using: &random)
        for _ in 0..<quiet { slow.tick() }
        seconds += UInt64(quiet)
        bucket.refill(start + seconds * Self.second)
        #expect(bucket.remaining == max(0, slow.level / 60), "seed \(seed)")
        #expect(bucket.isFull == (slow.level == capacity * 60), "seed \(seed)")
        let amount = Int.random(in: -(capacity / 2 + 1)...capacity * 3 / 2, using: &random)
        // The wait: as many ticks as the slow one needs, within the second.
        let wait = bucket.wait(for: amount)
        var (ahead, ticks) = (slow, UInt64(0))
        while ahead.level < min(amount, capacity) * 60 { (ahead.tick(), ticks += 1) }
        #expect(
          wait <= ticks * Self.second && wait + Self.second > ticks * Self.second, "seed \(seed)")
        bucket.take(amount)
        slow.level = min(capacity * 60, slow.level - amount * 60)
      }
    }
  }

  @Test("a time to wait is exact to the nanosecond")
  func waits() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2000 {
      let capacity = Int.random(in: 1...10_000, using: &random)
      var bucket = TokenBucket(capacity: capacity, now: 5)
      bucket.take(Int.random(in: 0...3 * capacity, using: &random))
      let amount = Int.random(in: 1...capacity, using: &random)
      let wait = bucket.wait(for: amount)
      guard wait > 0 else { continue }
      var (early, due) = (bucket, bucket)
      early.refill(5 + wait - 1)
      due.refill(5 + wait)
      #expect(early.wait(for: amount) == 1 && due.wait(for: amount) == 0, "seed \(seed)")
    }
  }

  private func begin(
    _ limiter: inout RateLimiter, _ client: Int, _ limits: ClientLimits, _ now: UInt64
  ) -> Result<RateLimiter.Place, RateLimiter.Refusal> {
    do throws(RateLimiter.Refusal) {
      return .success(try limiter.begin(client, limits: limits, now: now).place)
    } catch {
      return .failure(error)
    }
  }

  @Test("who waits as long as told is let in, and over a long time nobody gets more than the rate")
  func honesty() throws {
    let limits = ClientLimits(requestsPerMinute: 7)
    var (limiter, now, admitted) = (RateLimiter(), UInt64(0), 0)
    let end = 600 * Self.second
    while now < end {
      switch begin(&limiter, 1, limits, now) {
      case .success(let place):
        admitted += 1
        limiter.release(place, unused: 0, now: now)
      case .failure(let refusal):
        let wait = try #require(refusal.wait)
        #expect(wait > 0)
        now += wait
        if now < end { #expect((try? begin(&limiter, 1, limits, now).get()) != nil) }
        admitted += now < end ? 1 : 0
      }
    }
    // A full bucket, and ten minutes' worth.
    #expect(admitted <= 7 + 70 && admitted >= 7 + 69)
  }

  @Test("tokens are reserved by estimate and settled by use, debts included")
  func tokens() throws {
    let limits = ClientLimits(tokensPerMinute: 600)
    var limiter = RateLimiter()
    let first = try limiter.begin(1, limits: limits, now: 0).place
    #expect(try limiter.charge(500, at: first, now: 0)?.remaining == 100)
    let second = try limiter.begin(1, limits: limits, now: 0).place
    let refusal = #expect(throws: RateLimiter.Refusal.self) {
      try limiter.charge(150, at: second, now: 0)
    }
    #expect(refusal?.wait == 5 * Self.second && refusal?.remaining == 100)
    // 480 of the 500 are given back.
    limiter.release(first, unused: 480, now: 0)
    #expect(try limiter.charge(150, at: second, now: 0)?.remaining == 430)
    // It took 1000 more than was reserved: 570 of debt.
    limiter.release(second, unused: -1000, now: 0)
    let third = try limiter.begin(1, limits: limits, now: 0).place
    let debt = #expect(throws: RateLimiter.Refusal.self) {
      try limiter.charge(1, at: third, now: 0)
    }
    #expect(debt?.wait == 57_100_000_000 && debt?.remaining == 0)
    // More than the bucket ever holds goes when it is full.
    let full = 117 * Self.second
    #expect(throws: RateLimiter.Refusal.self) {
      try limiter.charge(5000, at: third, now: full - 1)
    }
    #expect(try limiter.charge(5000, at: third, now: full)?.remaining == 0)
  }

  @Test("concurrent requests are counted, and each ends once")
  func concurrency() throws {
    let limits = ClientLimits(concurrentRequests: 2)
    var limiter = RateLimiter()
    let first = try begin(&limiter, 1, limits, 0).get()
    _ = try begin(&limiter, 1, limits, 0).get()
    #expect(throws: RateLimiter.Refusal.self) { try begin(&limiter, 1, limits, 0).get() }
    _ = try begin(&limiter, 2, limits, 0).get()
    limiter.release(first, unused: 0, now: 0)
    _ = try begin(&limiter, 1, limits, 0).get()
  }

  @Test("a flood of addresses neither grows memory nor frees anybody of a debt")
  func flood() throws {
    let limits = ClientLimits(requestsPerMinute: 1)
    var limiter = RateLimiter(capacity: 100)
    let known = try begin(&limiter, 0, limits, 0).get()
    limiter.release(known, unused: 0, now: 0)
    var admitted = 0
    for client in 1...10_000 {
      if case .success(let place) = begin(&limiter, client, limits, UInt64(client)) {
        admitted += 1
        limiter.release(place, unused: 0, now: UInt64(client))
      }
      #expect(limiter.clientCount <= 100)
    }
    // 99 places of their own and one that all others share.
    #expect(admitted == 100)
    #expect(throws: RateLimiter.Refusal.self) { try begin(&limiter, 0, limits, 20_000).get() }
    // When their minute is over they make room.
    _ = try begin(&limiter, 20_000, limits, 61 * Self.second).get()
    #expect(limiter.clientCount == 1)
  }

  @Test("other limits after a reload hold at once")
  func reload() throws {
    var limiter = RateLimiter()
    let place = try limiter.begin(1, limits: ClientLimits(requestsPerMinute: 100), now: 0).place
    limiter.release(place, unused: 0, now: 0)
    let fewer = try limiter.begin(1, limits: ClientLimits(requestsPerMinute: 10), now: 0).requests
    #expect(fewer?.limit == 10 && fewer?.remaining == 9)
    #expect(try limiter.begin(1, limits: ClientLimits(), now: 0).requests == nil)
  }

  @Test("durations are written as OpenAI writes them, rounded up")
  func durations() {
    let cases: [(UInt64, String)] = [
      (0, "0s"), (1, "1ms"), (20_000_000, "20ms"), (999_000_001, "1s"), (1_000_000_000, "1s"),
      (1_000_000_001, "2s"), (59_500_000_000, "1m0s"), (360_000_000_000, "6m0s"),
      (3_600_000_000_000, "1h0m0s"), (90_061_000_000_000, "25h1m1s"),
    ]
    for (time, text) in cases { #expect(RateLimitHeaders.duration(time) == text) }
  }

  @Test("clients are told apart by IPv4 address and IPv6 network")
  func addresses() {
    let cases = [
      ("192.0.2.1:80", "192.0.2.1"), ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2"),
      ("[2001:db8::1]:80", "2001:db8:0:0"), ("[::1]:80", "0:0:0:0"),
      ("[fe80::1%eth0]:80", "fe80:0:0:0"), ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
      ("unix", "unix"), ("", ""), ("[]:1", "0:0:0:0"), ("[:::]:1", "0:0:0:0"),
    ]
    for (peer, group) in cases { #expect(ClientAddress.group(peer) == group) }
  }
}
