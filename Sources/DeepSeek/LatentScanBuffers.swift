// Scratch of the passes over a sequence's pages.

import Compute

/// Some rows of one sequence, or some heads of one row: what walks the pages together.
struct LatentGroup {
  /// The first row in the batch, whose sequence all rows share.
  let row: Int
  let lanes: AttentionLanes
  /// The first (row, head) pair, counted over the rows that are computed together.
  let firstLane: Int
  /// The parts of the context that some row sees.
  let parts: Range<Int>
}

/// One part of a group's context, for one task.
struct LatentScanItem {
  /// Number in `LatentScanBuffers.groups`.
  let group: Int
  let part: Int
  /// The first of the panels that hold the part's sums.
  let panel: Int
  /// The first of those that hold the group's queries.
  let queries: Int
}

/// Where a context is cut: the parts are what threads share the context of a row by. Small at the
/// beginning, where there is little to share; large enough for the merging not to count.
package enum LatentParts {
  /// The part that a page of a sequence belongs to.
  package static func part(ofPage page: Int) -> Int { page < 4 ? page / 2 : page / 4 + 1 }
  /// The pages of a part.
  package static func pages(ofPart part: Int) -> Range<Int> {
    start(of: part)..<start(of: part + 1)
  }

  private static func start(of part: Int) -> Int { part < 3 ? part * 2 : (part - 1) * 4 }
}

/// Memory of the scan. The engine thread fills the lists; tasks write the panels or the lanes that
/// their number names.
final class LatentScanBuffers: @unchecked Sendable {
  // Unchecked: the lists change between parallel operations only, on the engine thread.
  /// Lanes of a group: enough for a page, once in the second-level cache, to serve several panels.
  static let lanesPerGroup = panelsPerGroup * AttentionLanes.width
  private static let panelsPerGroup = 4
  private static let groupsPerThread = 4

  var groups: [LatentGroup] = []
  /// The items of a round, group by group, and those that are the first of their group.
  var items: [LatentScanItem] = []
  var firstItems: [Int] = []
  /// Panels that are computed at a time, and whole groups.
  let panelCount: Int
  var groupCount: Int { panelCount / Self.panelsPerGroup }
  /// Maximum and sum of each (row, head) over the parts so far [rows * heads, 2].
  let state: Rows
  /// Packed queries [panels, panel], running softmax [panels, 32], weighted latents
  /// [panels * 16, rank].
  private let queries: Rows
  private let partState: Rows
  private let partLatents: Rows

  init(_ c: ModelConfiguration, rows: Int, threads: Int, arena: ScratchArena) {
    panelCount = Self.panelsPerGroup * Self.groupsPerThread * threads
    state = arena.rows(rows * c.headCount, width: 2)
    queries = arena.rows(
      panelCount, width: AttentionKernels.widestPanel(rank: c.latentRank, rope: c.ropeWidth))
    partState = arena.rows(panelCount, width: AttentionSums.stateWidth)
    partLatents = arena.rows(panelCount * AttentionLanes.width, width: c.latentRank)
    let groupsPerRow = (c.headCount + Self.lanesPerGroup - 1) / Self.lanesPerGroup
    groups.reserveCapacity(rows * groupsPerRow)
    items.reserveCapacity(panelCount)
    firstItems.reserveCapacity(panelCount)
  }

  /// Packed queries of `count` panels from `panel` on.
  func queries(panel: Int, count: Int, _ kernels: AttentionKernels) -> Rows {
    queries.rows(panel..<panel + count).packed(width: kernels.panelWidth)
  }

  /// Sums of `count` panels from `panel` on.
  func sums(panel: Int, count: Int) -> AttentionSums {
    let (panels, width) = (panel..<panel + count, AttentionLanes.width)
    return AttentionSums(
      state: partState.rows(panels),
      latents: partLatents.rows(panel * width..<(panel + count) * width))
  }
}
