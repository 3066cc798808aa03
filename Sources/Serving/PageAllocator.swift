// Who holds which page of the latent pool. Knows nothing of bytes or tokens.

import DeepSeek

/// Free pages and the number of holders of each other one.
struct PageAllocator {
  private var free: [PageIndex]
  private var holders: [Int]

  init(pageCount: Int) {
    // Handed out from the end: low pages first.
    free = (0..<pageCount).reversed().map(PageIndex.init)
    holders = [Int](repeating: 0, count: pageCount)
  }

  var freeCount: Int { free.count }

  /// Takes `count` pages with one holder each; nil, and nothing taken, when there are not enough.
  mutating func allocate(_ count: Int) -> [PageIndex]? {
    precondition(count >= 0, "negative allocation")
    guard count <= free.count else { return nil }
    let pages = Array(free.suffix(count).reversed())
    free.removeLast(count)
    for page in pages { holders[page.rawValue] = 1 }
    return pages
  }

  /// One more holder for each page.
  mutating func retain(_ pages: [PageIndex]) {
    for page in pages {
      precondition(holders[page.rawValue] > 0, "a free page cannot be shared")
      holders[page.rawValue] += 1
    }
  }

  /// One holder less for each page; without any it is free again.
  mutating func release(_ pages: [PageIndex]) {
    for page in pages.reversed() {
      precondition(holders[page.rawValue] > 0, "a page was released twice")
      holders[page.rawValue] -= 1
      if holders[page.rawValue] == 0 { free.append(page) }
    }
  }

  /// Traps unless free and held pages together are all pages, none of them twice.
  func checkIntegrity() {
    var isFree = [Bool](repeating: false, count: holders.count)
    for page in free {
      precondition(!isFree[page.rawValue], "page \(page.rawValue) is free twice")
      isFree[page.rawValue] = true
    }
    for (index, count) in holders.enumerated() {
      precondition((count == 0) == isFree[index], "page \(index) is neither free nor held")
    }
  }
}
