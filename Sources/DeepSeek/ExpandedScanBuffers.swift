// Scratch of attention in the expanded form.

import Compute

/// Memory of one layer's expanded attention over one sequence at a time. Tasks write the pages,
/// panels and rows that their number names.
struct ExpandedScanBuffers: Sendable {
  /// Rows of a group, which share the keys and values that a cache holds.
  static let rowsPerGroup = panelsPerGroup * AttentionLanes.width
  private static let panelsPerGroup = 4
  /// Keys and values that are made at a time, of all heads, in bytes: what stays in a shared cache.
  private static let windowBytes = 4 << 20
  private static let mostPages = 16
  private static let expansionsPerThread = 8

  /// Keys and values of 64 positions and one head.
  let layout: LatentPageLayout
  /// Pages that are made at a time, and tasks that make them.
  let pageCount: Int
  let expansionCount: Int
  /// Latents and rope keys of these pages [pages * 64, rank + rope], and the latents as products
  /// take them.
  let latents: Rows
  let keyEncoding: EncodingBuffer
  let valueEncoding: EncodingBuffer
  private let heads: Int
  /// By head: maximum and sum of each row when all is known [rows, 2].
  private let totals: Rows
  /// One page's keys and values by task [tasks * 64, nope + rope + value], and all of them in pages
  /// [pages * heads, page].
  private let tokens: Rows
  private let pages: Rows
  /// By head and group: packed queries [panels, panel], running softmax [panels, 32], weighted
  /// values [panels * 16, value].
  private let queries: Rows
  private let states: Rows
  private let weighted: Rows

  /// - Parameters:
  ///   - rows: the most of one pass.
  ///   - latents: how they are kept.
  init(
    _ c: ModelConfiguration, rows: Int, latents format: LatentFormat, threads: Int,
    arena: ScratchArena
  ) {
    heads = c.headCount
    layout = LatentPageLayout(
      rank: c.nopeWidth, rope: c.ropeWidth, value: c.valueWidth,
      format: Self.format(ofLatents: format))
    pageCount = max(1, min(Self.mostPages, Self.windowBytes / (heads * layout.byteCount)))
    expansionCount = threads * Self.expansionsPerThread
    let slots = LatentPageLayout.slotCount
    latents = arena.rows(pageCount * slots, width: c.latentRank + c.ropeWidth)
    keyEncoding = EncodingBuffer(arena, count: pageCount * slots, width: c.latentRank)
    valueEncoding = EncodingBuffer(arena, count: pageCount * slots, width: c.latentRank)
    tokens = arena.rows(expansionCount * slots, width: layout.width)
    pages = arena.rows(
      pageCount * heads, width: layout.byteCount / MemoryLayout<Float>.stride)
    let panels = heads * ((rows + Self.rowsPerGroup - 1) / Self.rowsPerGroup) * Self.panelsPerGroup
    queries = arena.rows(
      panels, width: AttentionKernels.widestPanel(rank: c.nopeWidth, rope: c.ropeWidth))
    states = arena.rows(panels, width: AttentionSums.stateWidth)
    weighted = arena.rows(panels * AttentionLanes.width, width: c.valueWidth)
    totals = arena.rows(rows * heads, width: 2)
  }

  /// How keys and values are kept that are made of latents of a format: in the same, or, of int8,
  /// in bfloat16.
  static func format(ofLatents format: LatentFormat) -> LatentFormat {
    format == .float32 ? .float32 : .bfloat16
  }

  /// Where a task makes one page's keys and values [64, nope + rope + value].
  func tokens(ofTask task: Int) -> Rows {
    let slots = LatentPageLayout.slotCount
    return tokens.rows(task * slots..<(task + 1) * slots)
  }

  /// Keys and values of one page and head.
  func page(_ page: Int, head: Int) -> UnsafeMutableRawBufferPointer {
    unsafe pages.bytes(row: page * heads + head)
  }

  /// Maximum and sum of each row with one head.
  func totals(ofHead head: Int) -> Rows {
    let rows = totals.count / heads
    return totals.rows(head * rows..<(head + 1) * rows)
  }

  /// Packed queries of a group's panels.
  func queries(ofGroup number: Int, _ kernels: AttentionKernels) -> Rows {
    queries.rows(panels(number)).packed(width: kernels.panelWidth)
  }

  /// What a group has found so far.
  func sums(ofGroup number: Int) -> AttentionSums {
    let (panels, width) = (panels(number), AttentionLanes.width)
    return AttentionSums(
      state: states.rows(panels),
      latents: weighted.rows(panels.lowerBound * width..<panels.upperBound * width))
  }

  private func panels(_ number: Int) -> Range<Int> {
    number * Self.panelsPerGroup..<(number + 1) * Self.panelsPerGroup
  }
}
