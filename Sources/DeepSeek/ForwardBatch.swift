// What one forward pass computes: rows of several sequences, back to back.

/// Consecutive tokens of one sequence. Their latents go to, and are read from, its pages.
public struct Segment: Sendable {
  /// Position of the first token in its sequence.
  public var firstPosition: Int
  public var tokenCount: Int
  /// The sequence's pages; page i holds positions 64 i to 64 i + 63.
  public var pages: [PageIndex]
  /// The first position that the rows attend to: 0, or where an MTP module's latents begin.
  public var firstVisible: Int
  /// Positions below have their attention computed in the expanded form; the weights have to be
  /// loaded for that.
  public var expandedCount: Int

  /// - Parameter pages: enough for all positions up to the last token's.
  public init(
    firstPosition: Int, tokenCount: Int, pages: [PageIndex], firstVisible: Int = 0,
    expandedCount: Int = 0
  ) {
    precondition(firstPosition >= 0 && tokenCount > 0, "empty segment")
    precondition((0...firstPosition).contains(firstVisible), "a row sees itself")
    let end = firstPosition + tokenCount
    precondition(
      pages.count * LatentStorage.tokensPerPage >= end, "pages do not cover the positions")
    self.firstPosition = firstPosition
    self.tokenCount = tokenCount
    self.pages = pages
    self.firstVisible = firstVisible
    self.expandedCount = expandedCount
  }
}

/// The rows of one forward pass, in the order of arrival of their sequences.
public struct ForwardBatch: Sendable {
  /// Token id of each row.
  public private(set) var tokens: [Int32] = []
  /// Where each row stands: its position and its segment.
  public private(set) var positions: [Int] = []
  private(set) var segmentOfRow: [Int] = []
  public private(set) var segments: [Segment] = []

  /// A batch without rows.
  /// - Parameters:
  ///   - rows, segments: as many as can be added without taking memory.
  public init(reservingRows rows: Int = 0, segments count: Int = 0) {
    tokens.reserveCapacity(rows)
    positions.reserveCapacity(rows)
    segmentOfRow.reserveCapacity(rows)
    segments.reserveCapacity(count)
  }

  /// Rows of all segments together.
  public var rowCount: Int { tokens.count }

  /// Adds a segment; its rows follow those already there. A sequence has at most one segment in a
  /// batch.
  /// - Parameter drafts: tokens that follow the known ones if a guess is right.
  public mutating func append(
    _ segment: Segment, tokens known: some Collection<Int32>,
    drafts: some Collection<Int32> = EmptyCollection()
  ) {
    precondition(known.count + drafts.count == segment.tokenCount, "one token per row")
    tokens.append(contentsOf: known)
    tokens.append(contentsOf: drafts)
    for offset in 0..<segment.tokenCount {
      positions.append(segment.firstPosition + offset)
      segmentOfRow.append(segments.count)
    }
    segments.append(segment)
  }

  /// Empties the batch and keeps its memory.
  public mutating func removeAll() {
    tokens.removeAll(keepingCapacity: true)
    positions.removeAll(keepingCapacity: true)
    segmentOfRow.removeAll(keepingCapacity: true)
    segments.removeAll(keepingCapacity: true)
  }

  /// The page and the slot in it of row `row`'s own latent.
  func place(ofRow row: Int) -> (page: PageIndex, slot: Int) {
    let (page, slot) = positions[row].quotientAndRemainder(
      dividingBy: LatentStorage.tokensPerPage)
    return (segments[segmentOfRow[row]].pages[page], slot)
  }

  /// Whether no later row of the batch lies in the same page of the same sequence.
  func isLastInPage(row: Int) -> Bool {
    let next = row + 1
    return next == rowCount || segmentOfRow[next] != segmentOfRow[row]
      || positions[next].isMultiple(of: LatentStorage.tokensPerPage)
  }

  /// The rows from `first` on whose attention is computed together: in the expanded form those of
  /// one segment, else all up to the next expanded one.
  func run(from first: Int) -> (rows: Range<Int>, isExpanded: Bool) {
    let isExpanded = isExpanded(row: first)
    var end = first + 1
    while end < rowCount, self.isExpanded(row: end) == isExpanded,
      !isExpanded || segmentOfRow[end] == segmentOfRow[first]
    {
      end += 1
    }
    return (first..<end, isExpanded)
  }

  private func isExpanded(row: Int) -> Bool {
    positions[row] < segments[segmentOfRow[row]].expandedCount
  }

  /// The segment that row `row` belongs to.
  func segment(ofRow row: Int) -> Segment { segments[segmentOfRow[row]] }
}
