// The latent pool as the engine sees it: pages in and out, and what is known of a prompt. Puts the
// allocator and the index together; the bytes are the model's.

import DeepSeek

/// What the cache holds of a prompt.
package struct PrefixHit: Equatable {
  /// Full pages, in order, that can be shared as they are.
  package var pages: [PageIndex] = []
  /// A page whose first `partialSlots` positions continue the prefix. They are copied, not shared.
  package var partialPage: PageIndex?
  package var partialSlots = 0
  /// Positions, up to the hit's end, whose MTP rows are stored too; empty when the last position
  /// has none. Position 0 never has one and is not missed.
  package var drafted = 0..<0

  package init() {}

  package var tokenCount: Int { pages.count * LatentStorage.tokensPerPage + partialSlots }
}

/// Pages of 64 positions with their holders. A page that nobody holds stays known by its tokens
/// until it is needed for other ones; the least recently used goes first.
///
/// Sequences that share a page share all pages before it.
package struct LatentPool {
  private static let size = LatentStorage.tokensPerPage

  private var allocator: PageAllocator
  private var index: PrefixIndex
  private let cachesPrefixes: Bool

  package init(pageCount: Int, cachesPrefixes: Bool) {
    allocator = PageAllocator(pageCount: pageCount)
    index = PrefixIndex(pageCount: pageCount)
    self.cachesPrefixes = cachesPrefixes
  }

  /// Pages that are nobody's.
  package var freeCount: Int { allocator.freeCount }
  /// Pages that no sequence holds and that are known by their tokens.
  package var cachedCount: Int { index.idleCount }
  /// What `allocate` can give.
  package var availableCount: Int { freeCount + cachedCount }

  // MARK: - Pages

  /// One page, at the cost of the least recently used known one if none is free; nil when all are
  /// held. Takes no memory.
  package mutating func allocate() -> PageIndex? {
    if freeCount == 0, let page = index.evict() { allocator.recycle(page) }
    return allocator.allocate()
  }

  /// Gives up one reference of a page: one whose beginning was copied, or one that was rolled back.
  package mutating func release(_ page: PageIndex) {
    guard allocator.drop(page) else { return }
    if index.contains(page) { index.rest(page) } else { allocator.recycle(page) }
  }

  private mutating func retain(_ page: PageIndex) {
    if !allocator.isReferenced(page) { index.wake(page) }
    allocator.retain(page)
  }

  // MARK: - Prefixes

  /// The longest known prefix of `tokens`, at most `limit` positions of it. Changes nothing.
  /// - Parameter expanded: leading positions, in whole pages, that are in the expanded form.
  package func lookup(
    _ tokens: [Int32], expanded: Int = 0, limit: Int, salt: String?
  ) -> PrefixHit {
    precondition(limit <= tokens.count, "more positions than tokens")
    var hit = PrefixHit()
    while hit.partialPage == nil, hit.tokenCount < limit {
      let asked = tokens[hit.tokenCount..<min(hit.tokenCount + Self.size, limit)]
      let known = index.match(
        asked, isExpanded: hit.tokenCount < expanded, after: hit.pages.last, salt: salt)
      guard let known else { break }
      if known.count == Self.size {
        hit.pages.append(known.page)
      } else {
        (hit.partialPage, hit.partialSlots) = (known.page, known.count)
      }
    }
    hit.drafted = drafted(hit)
    return hit
  }

  /// Walks back from the hit's end for as long as rows follow each other.
  private func drafted(_ hit: PrefixHit) -> Range<Int> {
    var pages = hit.pages
    if let page = hit.partialPage { pages.append(page) }
    var lowest = hit.tokenCount
    for (number, page) in pages.enumerated().reversed() {
      let start = number * Self.size
      let rows = index.drafted(page)
      guard start + rows.lowerBound < lowest, start + rows.upperBound >= lowest else { break }
      lowest = start + rows.lowerBound
    }
    return lowest..<hit.tokenCount
  }

  /// How many pages of a hit nobody holds now: what acquiring it takes off `availableCount`.
  package func revived(by hit: PrefixHit) -> Int {
    var count = hit.pages.count { !allocator.isReferenced($0) }
    if let page = hit.partialPage, !allocator.isReferenced(page) { count += 1 }
    return count
  }

  /// Takes a reference on all pages of a hit; on the partial one too, so that it stays until it was
  /// copied and released.
  package mutating func acquire(_ hit: PrefixHit) {
    for page in hit.pages { retain(page) }
    if let page = hit.partialPage { retain(page) }
  }

  /// Makes the full pages among the first `computed` positions of a sequence known. Where a page
  /// with the same tokens is known already, it takes the place of the sequence's own one, which is
  /// released: their latents are equal bit by bit. If it lacks MTP rows that the own one has,
  /// `drafted` loses everything up to the page's end.
  /// - Parameter expanded: leading positions, in whole pages, that are in the expanded form.
  package mutating func share(
    _ pages: inout [PageIndex], tokens: [Int32], expanded: Int = 0, computed: Int, salt: String?,
    drafted: inout Range<Int>
  ) {
    guard cachesPrefixes else { return }
    let full = computed / Self.size
    var first = full
    while first > 0, !index.contains(pages[first - 1]) { first -= 1 }
    for number in first..<full {
      enter(
        &pages, number, tokens: tokens, expanded: expanded, end: computed, salt: salt,
        drafted: &drafted)
    }
  }

  /// Gives up all pages of a sequence. Its first `computed` positions stay known, the rest is free.
  /// - Parameter expanded: leading positions, in whole pages, that are in the expanded form.
  package mutating func retire(
    _ pages: [PageIndex], tokens: [Int32], expanded: Int = 0, computed: Int, salt: String?,
    drafted: Range<Int>
  ) {
    var (pages, drafted) = (pages, drafted)
    share(
      &pages, tokens: tokens, expanded: expanded, computed: computed, salt: salt,
      drafted: &drafted)
    let tail = computed / Self.size
    if cachesPrefixes, !computed.isMultiple(of: Self.size), !index.contains(pages[tail]) {
      enter(
        &pages, tail, tokens: tokens, expanded: expanded, end: computed, salt: salt,
        drafted: &drafted)
    }
    for page in pages.reversed() { release(page) }
  }

  /// Makes one page known, up to position `end`, or exchanges it for a known one that has as many
  /// of its tokens.
  private mutating func enter(
    _ pages: inout [PageIndex], _ number: Int, tokens: [Int32], expanded: Int, end: Int,
    salt: String?, drafted: inout Range<Int>
  ) {
    let place = number * Self.size..<(number + 1) * Self.size
    let content = tokens[place.lowerBound..<min(place.upperBound, end)]
    let parent = number > 0 ? pages[number - 1] : nil
    let rows = drafted.clamped(to: content.startIndex..<content.endIndex)
    let slots = rows.lowerBound - place.lowerBound..<rows.upperBound - place.lowerBound
    let isExpanded = place.lowerBound < expanded
    let known = index.match(content, isExpanded: isExpanded, after: parent, salt: salt)
    guard let known, known.count == content.count else {
      index.insert(
        pages[number], tokens: content, isExpanded: isExpanded, after: parent, salt: salt,
        drafted: slots)
      return
    }
    retain(known.page)
    release(pages[number])
    pages[number] = known.page
    let present = index.drafted(known.page)
    if !slots.isEmpty, present.clamped(to: slots) != slots {
      let end = place.upperBound
      drafted = max(drafted.lowerBound, end)..<max(drafted.upperBound, end)
    }
  }

  /// The one check: every page is in one place only, its references are those of `held` (the pages
  /// of all sequences, shared ones repeated), and what nobody holds is known by its tokens or free.
  package func isConsistent(held: [PageIndex]) -> Bool {
    index.isConsistent() && allocator.isConsistent(held: held, cached: index.idlePages)
  }
}
