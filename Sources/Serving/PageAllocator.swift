// Who holds which page of the latent pool. Knows nothing of bytes or tokens.

import DeepSeek

/// Reference counts and the free pages. A page without references is either free or kept by
/// whoever asked `drop` for it.
struct PageAllocator {
  private var free: [PageIndex]
  private var references: [Int]

  init(pageCount: Int) {
    // Handed out from the end: low pages first.
    free = (0..<pageCount).reversed().map(PageIndex.init)
    references = Array(repeating: 0, count: pageCount)
  }

  var pageCount: Int { references.count }
  var freeCount: Int { free.count }

  func isReferenced(_ page: PageIndex) -> Bool { references[page.rawValue] > 0 }

  /// A free page with one reference; nil when there is none.
  mutating func allocate() -> PageIndex? {
    guard let page = free.popLast() else { return nil }
    references[page.rawValue] = 1
    return page
  }

  /// One more reference to a page that is not free.
  mutating func retain(_ page: PageIndex) { references[page.rawValue] += 1 }

  /// One reference less. True when that was the last one: the page is then the caller's to keep,
  /// and to free one day.
  mutating func drop(_ page: PageIndex) -> Bool {
    precondition(references[page.rawValue] > 0, "a page was released twice")
    references[page.rawValue] -= 1
    return references[page.rawValue] == 0
  }

  /// Makes a page without references free.
  mutating func recycle(_ page: PageIndex) {
    precondition(references[page.rawValue] == 0, "a referenced page cannot be free")
    precondition(free.count < pageCount, "a page was freed twice")
    free.append(page)
  }

  /// Whether every page is in exactly one place: free, kept by its tokens, or held, and that as
  /// often as it has references.
  func isConsistent(held: [PageIndex], cached: [PageIndex]) -> Bool {
    var counts = Array(repeating: 0, count: pageCount)
    for page in held { counts[page.rawValue] += 1 }
    guard counts == references else { return false }
    for page in free + cached {
      guard counts[page.rawValue] == 0 else { return false }
      counts[page.rawValue] = 1
    }
    return counts.allSatisfy { $0 > 0 }
  }
}
