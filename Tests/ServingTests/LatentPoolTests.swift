// What the latent pool knows of which tokens, case by case and against a model that keeps
// everything it was ever told.

import DeepSeek
import Serving
import TestSupport
import Testing

@Suite("Latent pool")
struct LatentPoolTests {
  /// Distinct tokens, so that equal ones are equal on purpose.
  static func text(_ count: Int, from first: Int32 = 0) -> [Int32] {
    (0..<Int32(count)).map { first + $0 }
  }

  static func allocate(_ pool: inout LatentPool, for positions: Int) throws -> [PageIndex] {
    let pages = (0..<(positions + 63) / 64).compactMap { _ in pool.allocate() }
    try #require(pages.count == (positions + 63) / 64)
    return pages
  }

  /// Keeps a finished sequence.
  static func keep(
    _ tokens: [Int32], in pool: inout LatentPool, salt: String? = nil, drafted: Range<Int> = 0..<0
  ) throws -> [PageIndex] {
    let pages = try allocate(&pool, for: tokens.count)
    pool.retire(pages, tokens: tokens, computed: tokens.count, salt: salt, drafted: drafted)
    #expect(pool.isConsistent(held: []))
    return pages
  }

  @Test("a retired prompt is found again: full pages are shared, of the tail a part is copied")
  func lookup() throws {
    var pool = LatentPool(pageCount: 8, cachesPrefixes: true)
    let text = Self.text(150)
    let pages = try Self.keep(text, in: &pool)
    #expect(pool.freeCount == 5 && pool.cachedCount == 3 && pool.availableCount == 8)
    for limit in [0, 1, 63, 64, 65, 127, 128, 149, 150] {
      let hit = pool.lookup(text, limit: limit, salt: nil)
      #expect(hit.tokenCount == limit)
      #expect(hit.pages == Array(pages[..<(limit / 64)]))
      #expect(hit.partialSlots == limit % 64)
      #expect(hit.partialPage == (limit % 64 == 0 ? nil : pages[limit / 64]))
    }
    let longer = text + Self.text(50, from: 900)
    #expect(pool.lookup(longer, limit: longer.count, salt: nil).tokenCount == 150)
    let other = Self.text(150, from: 7)
    #expect(pool.lookup(other, limit: 150, salt: nil) == PrefixHit())
  }

  @Test("prompts that part in the middle of a page share what is before, and copy the rest")
  func divergence() throws {
    var pool = LatentPool(pageCount: 8, cachesPrefixes: true)
    let common = Self.text(64 + 20)
    let first = try Self.keep(common + Self.text(70, from: 500), in: &pool)
    let second = try Self.keep(common + Self.text(12, from: 700), in: &pool)
    #expect(pool.cachedCount == 4, "the common page is kept once")
    let hit = pool.lookup(common + Self.text(9, from: 900), limit: 93, salt: nil)
    #expect(hit.pages == [first[0]] && hit.partialSlots == 20)
    let tail = pool.lookup(common + Self.text(12, from: 700), limit: 96, salt: nil)
    #expect(tail.partialPage == second[1] && tail.partialSlots == 32)
  }

  @Test("one salt does not see what another one keeps")
  func salts() throws {
    var pool = LatentPool(pageCount: 8, cachesPrefixes: true)
    let text = Self.text(100)
    let salts = [nil, "a", "b"]
    let kept = try salts.map { try Self.keep(text, in: &pool, salt: $0) }
    for (pages, salt) in zip(kept, salts) {
      let hit = pool.lookup(text, limit: 100, salt: salt)
      #expect(hit.pages + [hit.partialPage] == pages)
    }
    #expect(pool.lookup(text, limit: 100, salt: "").tokenCount == 0)
  }

  @Test("the second of two equal running sequences takes over the first one's pages")
  func sharing() throws {
    var pool = LatentPool(pageCount: 9, cachesPrefixes: true)
    let text = Self.text(200)
    var first = try Self.allocate(&pool, for: 200)
    var second = try Self.allocate(&pool, for: 200)
    var drafted = 1..<200
    pool.share(&first, tokens: text, computed: 130, salt: nil, drafted: &drafted)
    #expect(pool.isConsistent(held: first + second) && pool.freeCount == 1)
    let own = second
    pool.share(&second, tokens: text, computed: 70, salt: nil, drafted: &drafted)
    #expect(Array(second[..<1]) == Array(first[..<1]) && drafted == 1..<200)
    #expect(Array(second[1...]) == Array(own[1...]))
    pool.share(&second, tokens: text, computed: 200, salt: nil, drafted: &drafted)
    #expect(Array(second[..<2]) == Array(first[..<2]) && drafted == 1..<200)
    #expect(Array(second[2...]) == Array(own[2...]))
    #expect(pool.isConsistent(held: first + second) && pool.freeCount == 3)
    #expect(pool.lookup(text, limit: 200, salt: nil).pages == Array(second[..<3]))
    pool.retire(first, tokens: text, computed: 130, salt: nil, drafted: 1..<130)
    #expect(pool.isConsistent(held: second) && pool.cachedCount == 0, "its tail is covered")
    pool.retire(second, tokens: text, computed: 200, salt: nil, drafted: 1..<200)
    #expect(pool.isConsistent(held: []) && pool.cachedCount == 4)
  }

  @Test("acquired pages stay; what acquiring takes away is known before")
  func acquiring() throws {
    var pool = LatentPool(pageCount: 4, cachesPrefixes: true)
    let text = Self.text(150)
    let pages = try Self.keep(text, in: &pool)
    let hit = pool.lookup(text, limit: 140, salt: nil)
    #expect(pool.revived(by: hit) == 3)
    pool.acquire(hit)
    #expect(pool.availableCount == 1 && pool.isConsistent(held: pages))
    #expect(pool.revived(by: hit) == 0)
    let given = [pool.allocate(), pool.allocate()]
    #expect(given[0] != nil && given[1] == nil)
    let copied = try #require(hit.partialPage)
    pool.release(copied)
    let evicted = pool.allocate()
    #expect(evicted == copied, "the only page that can go")
  }

  @Test("the least recently used page goes first, and a page before the one it follows")
  func eviction() throws {
    var pool = LatentPool(pageCount: 6, cachesPrefixes: true)
    let (old, new) = (Self.text(192), Self.text(128, from: 1000))
    let oldPages = try Self.keep(old, in: &pool)
    let newPages = try Self.keep(new, in: &pool)
    pool.acquire(pool.lookup(old, limit: 64, salt: nil))
    pool.retire([oldPages[0]], tokens: old, computed: 64, salt: nil, drafted: 0..<0)
    let given = (0..<7).map { _ in pool.allocate() }
    let order: [PageIndex?] = [
      oldPages[2], oldPages[1], newPages[1], newPages[0], oldPages[0],
    ]
    #expect(Array(given[1...]) == order + [nil], "after the free one")
    #expect(pool.availableCount == 0)
    #expect(pool.lookup(old, limit: 192, salt: nil) == PrefixHit())
    #expect(pool.isConsistent(held: given.compactMap(\.self)))
  }

  /// Rows that were drafted, how many positions are asked for, and what the hit says of it.
  static let drafts: [(drafted: Range<Int>, limit: Int, expected: Range<Int>)] = [
    (1..<150, 150, 1..<150), (1..<150, 149, 1..<149), (1..<150, 64, 1..<64),
    (1..<150, 128, 1..<128), (1..<149, 150, 150..<150), (1..<149, 149, 1..<149),
    (1..<64, 100, 100..<100), (1..<64, 64, 1..<64), (1..<64, 30, 1..<30), (1..<64, 1, 1..<1),
    (80..<150, 150, 80..<150), (80..<150, 80, 80..<80), (80..<150, 81, 80..<81),
    (64..<150, 140, 64..<140), (64..<150, 64, 64..<64), (130..<150, 128, 128..<128),
    (0..<0, 150, 150..<150), (150..<150, 128, 128..<128),
  ]

  @Test(
    "MTP rows are known as far as they follow each other up to the hit's end", arguments: drafts)
  func draftedRange(_ row: (drafted: Range<Int>, limit: Int, expected: Range<Int>)) throws {
    var pool = LatentPool(pageCount: 3, cachesPrefixes: true)
    let text = Self.text(150)
    _ = try Self.keep(text, in: &pool, drafted: row.drafted)
    #expect(pool.lookup(text, limit: row.limit, salt: nil).drafted == row.expected)
  }

  /// MTP rows of the known page, of the sequence's own one, and what the sequence has left.
  static let exchanges: [(known: Range<Int>, own: Range<Int>, left: Range<Int>)] = [
    (1..<64, 1..<90, 1..<90), (0..<0, 1..<90, 64..<90), (1..<63, 1..<90, 64..<90),
    (1..<64, 1..<50, 1..<50), (0..<0, 1..<50, 64..<64), (0..<0, 70..<90, 70..<90),
    (30..<64, 1..<90, 64..<90), (30..<64, 40..<90, 40..<90), (0..<0, 90..<90, 90..<90),
  ]

  @Test("a page with fewer MTP rows takes some of a sequence's with it", arguments: exchanges)
  func draftedExchange(_ row: (known: Range<Int>, own: Range<Int>, left: Range<Int>)) throws {
    var pool = LatentPool(pageCount: 4, cachesPrefixes: true)
    let text = Self.text(90)
    _ = try Self.keep(Array(text[..<64]), in: &pool, drafted: row.known)
    var pages = try Self.allocate(&pool, for: 90)
    var drafted = row.own
    pool.share(&pages, tokens: text, computed: 90, salt: nil, drafted: &drafted)
    #expect(drafted == row.left)
  }

  @Test("without a cache nothing is found and everything is free again")
  func disabled() throws {
    var pool = LatentPool(pageCount: 3, cachesPrefixes: false)
    let text = Self.text(150)
    var pages = try Self.allocate(&pool, for: 150)
    var drafted = 1..<150
    pool.share(&pages, tokens: text, computed: 150, salt: nil, drafted: &drafted)
    #expect(pool.lookup(text, limit: 150, salt: nil) == PrefixHit())
    pool.retire(pages, tokens: text, computed: 150, salt: nil, drafted: drafted)
    #expect(pool.freeCount == 3 && pool.isConsistent(held: []))
  }

  @Test("the check sees lost, doubled and foreign pages")
  func check() throws {
    var pool = LatentPool(pageCount: 4, cachesPrefixes: true)
    let kept = try Self.keep(Self.text(64), in: &pool)
    let held = try Self.allocate(&pool, for: 128)
    #expect(pool.isConsistent(held: held))
    #expect(!pool.isConsistent(held: held + [held[0]]))
    #expect(!pool.isConsistent(held: held + kept))
    #expect(!pool.isConsistent(held: [held[0]]))
    #expect(!pool.isConsistent(held: held + [PageIndex(3)]))
  }
}
