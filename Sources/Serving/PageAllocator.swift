// Who holds which page of the latent pool. Knows nothing of bytes or tokens.

import DeepSeek

/// The free pages. A page has one holder or none.
package struct PageAllocator {
  private let pageCount: Int
  private var free: [PageIndex]

  package init(pageCount: Int) {
    self.pageCount = pageCount
    // Handed out from the end: low pages first.
    free = (0..<pageCount).reversed().map(PageIndex.init)
  }

  package var freeCount: Int { free.count }

  /// Takes `count` pages; nil, and nothing taken, when there are not enough.
  package mutating func allocate(_ count: Int) -> [PageIndex]? {
    precondition(count >= 0, "negative allocation")
    guard count <= free.count else { return nil }
    let pages = Array(free.suffix(count).reversed())
    free.removeLast(count)
    return pages
  }

  /// Gives pages back.
  package mutating func release(_ pages: [PageIndex]) {
    free.append(contentsOf: pages.reversed())
    precondition(free.count <= pageCount, "a page was released twice")
  }

  /// Whether free pages and the pages that somebody holds are all pages, none of them twice.
  package func isConsistent(held: [PageIndex]) -> Bool {
    var seen = [Bool](repeating: false, count: pageCount)
    for page in free + held {
      guard page.rawValue >= 0, page.rawValue < pageCount, !seen[page.rawValue] else {
        return false
      }
      seen[page.rawValue] = true
    }
    return free.count + held.count == pageCount
  }
}
