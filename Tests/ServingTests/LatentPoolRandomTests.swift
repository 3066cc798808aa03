// The latent pool against a storage that remembers what was written where: whatever a lookup finds
// must be there, and when nothing was ever evicted nothing may be missed.

import DeepSeek
import Serving
import TestSupport
import Testing

/// Random sequences over one pool. A slot holds the hash of everything up to its position, so that
/// it is right for one beginning only.
private struct PoolExercise {
  struct Sequence {
    var tokens: [Int32]
    var salt: String?
    /// Leading positions in the expanded form.
    var expanded: Int
    var pages: [PageIndex]
    var computed: Int
    var drafted: Range<Int>
  }

  static let salts: [String?] = [nil, nil, "a", "b"]

  let seed: UInt64
  let pageCount: Int
  var random: SeededGenerator
  var pool: LatentPool
  var running: [Sequence] = []
  /// What each slot of each page holds, of the main layers and of the MTP layer.
  var latents: [UInt64]
  var drafts: [UInt64]
  /// Every beginning that the pool was told of.
  var known: [(tokens: [Int32], hashes: [UInt64])] = []
  /// Whether a page ever had to go for another one.
  var hasEvicted = false

  init(seed: UInt64, pageCount: Int) {
    self.seed = seed
    self.pageCount = pageCount
    random = SeededGenerator(seed: seed)
    pool = LatentPool(pageCount: pageCount, cachesPrefixes: true)
    latents = Array(repeating: 0, count: pageCount * 64)
    drafts = latents
  }

  var held: [PageIndex] { running.flatMap(\.pages) }

  /// For each position the hash of all tokens and forms up to it.
  func hashes(_ tokens: [Int32], _ salt: String?, _ expanded: Int) -> [UInt64] {
    var state = UInt64(salt?.utf8.first ?? 1)
    return tokens.enumerated().map { position, token in
      let content = UInt64(token) * 2 + (position < expanded ? 1 : 0)
      var mixer = SeededGenerator(seed: state &* 31 &+ content)
      state = mixer.next()
      return state
    }
  }

  func hashes(_ sequence: Sequence) -> [UInt64] {
    hashes(sequence.tokens, sequence.salt, sequence.expanded)
  }

  func slot(_ position: Int, _ pages: [PageIndex]) -> Int {
    pages[position / 64].rawValue * 64 + position % 64
  }

  mutating func allocate() -> PageIndex? {
    if pool.freeCount == 0 { hasEvicted = true }
    return pool.allocate()
  }

  /// Few tokens and old beginnings, so that texts part anywhere.
  mutating func text() -> [Int32] {
    let beginning = known.randomElement(using: &random)?.tokens ?? []
    let kept = beginning.prefix(Int.random(in: 0...beginning.count, using: &random))
    let count = Int.random(in: 1...150, using: &random)
    return kept + (0..<count).map { _ in Int32.random(in: 0..<2, using: &random) }
  }

  mutating func start() {
    let tokens = text()
    let salt = Self.salts.randomElement(using: &random)!
    let limit = Int.random(in: 0...tokens.count, using: &random)
    let expanded = 64 * Int.random(in: 0...2, using: &random)
    let hit = pool.lookup(tokens, expanded: expanded, limit: limit, salt: salt)
    check(hit, hashes(tokens, salt, expanded), limit)
    let available = pool.availableCount
    let revived = pool.revived(by: hit)
    pool.acquire(hit)
    #expect(pool.availableCount == available - revived, "seed \(seed)")
    var sequence = Sequence(
      tokens: tokens, salt: salt, expanded: expanded, pages: hit.pages, computed: hit.tokenCount,
      drafted: hit.drafted)
    if let partial = hit.partialPage {
      if let own = allocate() {
        for slot in 0..<hit.partialSlots {
          latents[own.rawValue * 64 + slot] = latents[partial.rawValue * 64 + slot]
          drafts[own.rawValue * 64 + slot] = drafts[partial.rawValue * 64 + slot]
        }
        sequence.pages.append(own)
      } else {
        sequence.computed -= hit.partialSlots
        sequence.drafted = sequence.computed..<sequence.computed
      }
      pool.release(partial)
    }
    running.append(sequence)
  }

  /// What was found is there; how much was found is checked where nothing was evicted.
  func check(_ hit: PrefixHit, _ expected: [UInt64], _ limit: Int) {
    let pages = hit.pages + [hit.partialPage].compactMap(\.self)
    #expect(hit.tokenCount <= limit && hit.drafted.upperBound == hit.tokenCount)
    let wrong = (0..<hit.tokenCount).first { latents[slot($0, pages)] != expected[$0] }
    #expect(wrong == nil, "seed \(seed): a wrong page at position \(wrong ?? 0)")
    let undrafted = hit.drafted.first { drafts[slot($0, pages)] != expected[$0] }
    #expect(undrafted == nil, "seed \(seed): no MTP row at position \(undrafted ?? 0)")
    guard !hasEvicted else { return }
    let longest = known.lazy.map { known in
      zip(known.hashes, expected.prefix(limit)).prefix { $0 == $1 }.count
    }
    #expect(hit.tokenCount == longest.max() ?? 0, "seed \(seed): less than is known")
  }

  /// Computes some positions of a sequence, with or without their MTP rows.
  mutating func advance(_ index: Int) {
    var sequence = running[index]
    let rest = sequence.tokens.count - sequence.computed
    let end = sequence.computed + Int.random(in: 0...rest, using: &random)
    while sequence.pages.count * 64 < end, let page = allocate() {
      sequence.pages.append(page)
    }
    let reached = max(min(end, sequence.pages.count * 64), sequence.computed)
    if reached < end { #expect(pool.availableCount == 0, "seed \(seed): a page was refused") }
    let content = hashes(sequence)
    let isDrafting = Int.random(in: 0..<4, using: &random) > 0
    if sequence.drafted.upperBound < sequence.computed {
      sequence.drafted = max(sequence.computed, 1)..<max(sequence.computed, 1)
    }
    for position in sequence.computed..<reached {
      latents[slot(position, sequence.pages)] = content[position]
      drafts[slot(position, sequence.pages)] = 0
      guard isDrafting, position > 0 else { continue }
      drafts[slot(position, sequence.pages)] = content[position]
      sequence.drafted = max(sequence.drafted.lowerBound, 1)..<position + 1
    }
    sequence.computed = reached
    running[index] = sequence
  }

  mutating func share(_ index: Int) {
    var sequence = running[index]
    pool.share(
      &sequence.pages, tokens: sequence.tokens, expanded: sequence.expanded,
      computed: sequence.computed, salt: sequence.salt, drafted: &sequence.drafted)
    let content = hashes(sequence)
    for position in sequence.drafted where position < sequence.computed {
      #expect(drafts[slot(position, sequence.pages)] == content[position], "seed \(seed)")
    }
    let full = sequence.computed / 64 * 64
    known.append((Array(sequence.tokens[..<full]), Array(content[..<full])))
    running[index] = sequence
  }

  mutating func retire(_ index: Int) {
    let sequence = running.remove(at: index)
    let computed = Int.random(in: 0..<8, using: &random) == 0 ? 0 : sequence.computed
    pool.retire(
      sequence.pages, tokens: sequence.tokens, expanded: sequence.expanded, computed: computed,
      salt: sequence.salt, drafted: sequence.drafted)
    known.append((Array(sequence.tokens[..<computed]), Array(hashes(sequence)[..<computed])))
  }

  /// One random operation.
  mutating func step() {
    let index = running.indices.randomElement(using: &random)
    switch (Int.random(in: 0..<8, using: &random), index) {
    case (0, _), (_, nil): start()
    case (1, let index?): retire(index)
    case (2...3, let index?): share(index)
    case (_, let index?): advance(index)
    }
    #expect(pool.isConsistent(held: held), "seed \(seed)")
    #expect(
      pool.freeCount + pool.cachedCount + Set(held).count == pageCount, "seed \(seed)")
  }
}

@Suite("Latent pool, random")
struct LatentPoolRandomTests {
  /// A pool that is always full, one that fills at times, and one that forgets nothing.
  @Test("whatever is found is there", arguments: [(7, 20_000), (40, 20_000), (4000, 1500)])
  func random(pageCount: Int, operations: Int) {
    let seed = UInt64.random(in: 0 ... .max)
    var exercise = PoolExercise(seed: seed, pageCount: pageCount)
    for _ in 0..<operations { exercise.step() }
    while !exercise.running.isEmpty { exercise.retire(0) }
    #expect(exercise.pool.availableCount == pageCount, "seed \(seed)")
    let pages = Set((0..<pageCount).compactMap { _ in exercise.pool.allocate() })
    #expect(pages.count == pageCount, "seed \(seed): not everything can be had again")
    #expect(exercise.pool.isConsistent(held: Array(pages)), "seed \(seed)")
  }
}
