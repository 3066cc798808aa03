// Which page holds the latents of which tokens: a radix tree with a page for each edge. Knows
// nothing of bytes and counts no references, but keeps the pages that nobody refers to in the order
// of their last use.

import DeepSeek

/// Known pages by the tokens they stand for and the form that their attention was computed in. A
/// page follows its parent: the same tokens after other ones are another entry. Pages with all 64
/// tokens can have children, shorter ones are leaves.
///
/// A page's entry has the page's number, and siblings are linked through their entries, so that the
/// index allocates nothing after its start but the place of a new salt. Siblings are searched one
/// by one: the longest common beginning is asked for, which no table of whole pages could answer.
struct PrefixIndex {
  private static let size = LatentStorage.tokensPerPage

  private struct Entry {
    /// Tokens of the page; 0 while it is not in the index.
    var count = 0
    var salt: String?
    /// Whether its attention was computed in the expanded form.
    var isExpanded = false
    /// Nil for the first page of a sequence.
    var parent: PageIndex?
    var firstChild: PageIndex?
    var nextSibling: PageIndex?
    var previousSibling: PageIndex?
    /// Slots with MTP rows.
    var drafted = 0..<0
    /// Whether nobody refers to the page; then its neighbours in the order of last use.
    var isIdle = false
    var older: PageIndex?
    var newer: PageIndex?
  }

  private var entries: [Entry]
  /// [pages, 64], in one array
  private var tokens: [Int32]
  /// The first of the first pages of each salt. A salt without pages has no place here.
  private var roots: [String?: PageIndex] = [:]
  private var oldest: PageIndex?
  private var newest: PageIndex?
  private(set) var idleCount = 0

  init(pageCount: Int) {
    entries = Array(repeating: Entry(), count: pageCount)
    tokens = Array(repeating: 0, count: pageCount * Self.size)
  }

  private subscript(_ page: PageIndex) -> Entry {
    get { entries[page.rawValue] }
    set { entries[page.rawValue] = newValue }
  }

  func contains(_ page: PageIndex) -> Bool { self[page].count > 0 }

  /// Slots of a page that have MTP rows.
  func drafted(_ page: PageIndex) -> Range<Int> { self[page].drafted }

  // MARK: - Tokens

  /// The page after `parent`, in the asked form, that has the most of the asked tokens in common,
  /// from the first on; nil when none has one. Of equals the one that came last.
  func match(
    _ asked: ArraySlice<Int32>, isExpanded: Bool, after parent: PageIndex?, salt: String?
  ) -> (page: PageIndex, count: Int)? {
    var best: (page: PageIndex, count: Int)?
    var next = firstChild(of: parent, salt: salt)
    while let page = next {
      let count = self[page].isExpanded == isExpanded ? commonCount(page, asked) : 0
      if count > best?.count ?? 0 { best = (page, count) }
      if count == asked.count { break }
      next = self[page].nextSibling
    }
    return best
  }

  private func firstChild(of parent: PageIndex?, salt: String?) -> PageIndex? {
    guard let parent else { return roots[salt] }
    return self[parent].firstChild
  }

  /// How many tokens a page shares with the asked ones.
  private func commonCount(_ page: PageIndex, _ asked: ArraySlice<Int32>) -> Int {
    let start = page.rawValue * Self.size
    let limit = min(asked.count, self[page].count)
    var count = 0
    while count < limit, tokens[start + count] == asked[asked.startIndex + count] { count += 1 }
    return count
  }

  /// Adds a page that somebody refers to.
  mutating func insert(
    _ page: PageIndex, tokens content: ArraySlice<Int32>, isExpanded: Bool,
    after parent: PageIndex?, salt: String?, drafted: Range<Int>
  ) {
    precondition(!contains(page) && (1...Self.size).contains(content.count), "malformed entry")
    if let parent { precondition(self[parent].count == Self.size, "only full pages are followed") }
    let start = page.rawValue * Self.size
    for (offset, token) in content.enumerated() { tokens[start + offset] = token }
    let sibling = firstChild(of: parent, salt: salt)
    self[page] = Entry(
      count: content.count, salt: salt, isExpanded: isExpanded, parent: parent,
      nextSibling: sibling, drafted: drafted)
    if let sibling { self[sibling].previousSibling = page }
    setFirstChild(of: parent, salt: salt, to: page)
  }

  private mutating func setFirstChild(of parent: PageIndex?, salt: String?, to page: PageIndex?) {
    if let parent { self[parent].firstChild = page } else { roots[salt] = page }
  }

  private mutating func remove(_ page: PageIndex) {
    let entry = self[page]
    precondition(entry.firstChild == nil && !entry.isIdle, "an entry in use")
    if let next = entry.nextSibling { self[next].previousSibling = entry.previousSibling }
    if let previous = entry.previousSibling {
      self[previous].nextSibling = entry.nextSibling
    } else {
      setFirstChild(of: entry.parent, salt: entry.salt, to: entry.nextSibling)
    }
    self[page] = Entry()
  }

  // MARK: - Order of last use

  /// Nobody refers to a page any more. Whoever gave up several gives up later ones first, so that a
  /// page always comes after its children: the oldest is a leaf.
  mutating func rest(_ page: PageIndex) {
    precondition(contains(page) && !self[page].isIdle, "not a page in use")
    self[page].isIdle = true
    self[page].older = newest
    if let newest { self[newest].newer = page } else { oldest = page }
    newest = page
    idleCount += 1
  }

  /// Somebody refers to a page again.
  mutating func wake(_ page: PageIndex) {
    precondition(self[page].isIdle, "not an idle page")
    let (older, newer) = (self[page].older, self[page].newer)
    if let older { self[older].newer = newer } else { oldest = newer }
    if let newer { self[newer].older = older } else { newest = older }
    self[page].isIdle = false
    self[page].older = nil
    self[page].newer = nil
    idleCount -= 1
  }

  /// Forgets the page that nobody refers to for the longest time.
  mutating func evict() -> PageIndex? {
    guard let page = oldest else { return nil }
    wake(page)
    remove(page)
    return page
  }

  // MARK: - Checks

  /// The pages that nobody refers to, least recently used first.
  var idlePages: [PageIndex] {
    var pages: [PageIndex] = []
    var next = oldest
    while let page = next, pages.count <= idleCount {
      pages.append(page)
      next = self[page].newer
    }
    return pages
  }

  /// Whether each entry hangs under its parent once, links agree in both directions, and idle
  /// pages come after their children.
  func isConsistent() -> Bool {
    let idle = idlePages
    guard idle.count == idleCount, idle.allSatisfy({ self[$0].isIdle }) else { return false }
    guard entries.count(where: \.isIdle) == idleCount else { return false }
    var age = Array(repeating: -1, count: entries.count)
    for (number, page) in idle.enumerated() { age[page.rawValue] = number }
    var reached = 0
    var open: [(parent: PageIndex?, salt: String?, child: PageIndex)] =
      roots.map { (nil, $0.key, $0.value) }
    while let (parent, salt, first) = open.popLast() {
      var previous: PageIndex?
      var next: PageIndex? = first
      while let page = next {
        let entry = self[page]
        guard entry.parent == parent, entry.salt == salt, entry.previousSibling == previous,
          (1...Self.size).contains(entry.count), reached < entries.count
        else { return false }
        if let parent, self[parent].isIdle {
          guard entry.isIdle, age[page.rawValue] < age[parent.rawValue] else { return false }
        }
        if let child = entry.firstChild {
          guard entry.count == Self.size else { return false }
          open.append((page, salt, child))
        }
        reached += 1
        (previous, next) = (page, entry.nextSibling)
      }
    }
    return reached == entries.count { $0.count > 0 }
  }
}
