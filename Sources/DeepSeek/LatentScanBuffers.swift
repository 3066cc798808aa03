// Scratch of the passes over a sequence's pages.

import Compute

/// Some rows of one sequence, or some heads of one row: what walks the pages together.
struct LatentGroup {
  /// The first row in the batch, whose sequence all rows share.
  let row: Int
  let lanes: AttentionLanes
  /// The first (row, head) pair, counted over the batch.
  let firstLane: Int
  /// The parts of the context that some row sees.
  let parts: Range<Int>
}

/// One part of a group's context, for one task.
struct LatentScanItem {
  /// Number in `LatentScanBuffers.groups`.
  let group: Int
  let part: Int
}

/// Memory of the scan. The engine thread fills the lists; tasks write the slot or the lanes that
/// their number names.
final class LatentScanBuffers: @unchecked Sendable {
  // Unchecked: the lists change between parallel operations only, on the engine thread.
  /// Lanes of a group: enough for a page, once in the second-level cache, to serve several panels.
  static let lanesPerGroup = 4 * AttentionLanes.width
  private static let panelsPerGroup = lanesPerGroup / AttentionLanes.width
  private static let slotsPerThread = 4

  var groups: [LatentGroup] = []
  var items: [LatentScanItem] = []
  /// Groups, or parts of groups, that are computed at a time.
  let slotCount: Int
  /// Maximum and sum of each (row, head) over the parts so far [rows * heads, 2].
  let state: Rows
  /// Per slot: packed queries [4, panel], running softmax [4, 32], weighted latents [64, rank].
  private let queries: Rows
  private let partState: Rows
  private let partLatents: Rows

  init(_ c: ModelConfiguration, rows: Int, threads: Int, arena: ScratchArena) {
    slotCount = Self.slotsPerThread * threads
    state = arena.rows(rows * c.headCount, width: 2)
    let panels = slotCount * Self.panelsPerGroup
    queries = arena.rows(
      panels, width: AttentionKernels.widestPanel(rank: c.latentRank, rope: c.ropeWidth))
    partState = arena.rows(panels, width: AttentionSums.stateWidth)
    partLatents = arena.rows(slotCount * Self.lanesPerGroup, width: c.latentRank)
    let groupsPerRow = (c.headCount + Self.lanesPerGroup - 1) / Self.lanesPerGroup
    groups.reserveCapacity(rows * groupsPerRow)
    items.reserveCapacity(slotCount)
  }

  /// Packed queries of a slot.
  func queries(slot: Int, _ kernels: AttentionKernels) -> Rows {
    let panels = Self.panelsPerGroup
    return queries.rows(slot * panels..<(slot + 1) * panels).packed(width: kernels.panelWidth)
  }

  /// Sums of a slot.
  func sums(slot: Int) -> AttentionSums {
    let (panels, lanes) = (Self.panelsPerGroup, Self.lanesPerGroup)
    return AttentionSums(
      state: partState.rows(slot * panels..<(slot + 1) * panels),
      latents: partLatents.rows(slot * lanes..<(slot + 1) * lanes))
  }
}
