// The checked entry to the kernels of latent attention.

import CKernels

/// Rows of one sequence times heads, as lanes of panels of 16: what shares a pass over pages.
/// Lane l is head `(firstHead + l) % heads` of a row, rows following each other.
public struct AttentionLanes: Sendable {
  /// Position of the first lane's row.
  public var position: Int
  /// Head of the first lane.
  public var firstHead: Int
  /// Heads of a row.
  public var heads: Int
  /// How many lanes there are.
  public var count: Int

  public init(position: Int, firstHead: Int, heads: Int, count: Int) {
    precondition(position >= 0 && heads > 0 && count > 0, "no lanes")
    precondition((0..<heads).contains(firstHead), "head out of bounds")
    self.position = position
    self.firstHead = firstHead
    self.heads = heads
    self.count = count
  }

  /// Panels that the lanes fill; the last one perhaps in part.
  public var panels: Int { Self.panels(count) }

  /// Panels that so many lanes fill.
  public static func panels(_ lanes: Int) -> Int { (lanes + width - 1) / width }
  /// Lanes of a panel.
  public static let width = Int(CK_PANEL_LANES)

  /// The position of a lane's row: the last one it sees.
  func position(of lane: Int) -> Int { position + (firstHead + lane) / heads }
  /// The position of the last lane's row.
  public var lastPosition: Int { position(of: count - 1) }
}

/// Running softmax and sums of some lanes over one part of a context.
public struct AttentionSums: Sendable {
  /// Per panel 16 maxima and 16 sums [panels, 32].
  public let state: Rows
  /// Weighted latents [lanes, rank], or values [lanes, value].
  public let latents: Rows

  /// - Parameters:
  ///   - state: as wide as `stateWidth`.
  ///   - latents: without gaps between its rows.
  public init(state: Rows, latents: Rows) {
    precondition(state.width == Self.stateWidth && state.stride == state.width, "state")
    precondition(latents.stride == latents.width, "gaps between rows")
    self.state = state
    self.latents = latents
  }

  /// Elements of a panel's state.
  public static let stateWidth = Int(CK_PANEL_STATE)
}

extension Rows {
  /// The memory of rows without gaps seen as as many rows that are narrower.
  public func packed(width: Int) -> Rows {
    precondition(stride == self.width && width <= self.width, "rows with gaps, or too narrow")
    return unsafe Rows(base: base, count: count, width: width, stride: width)
  }

  /// The memory of one row, to hold a page of keys and values.
  public func bytes(row: Int) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(
      start: pointer(row: row), count: width * MemoryLayout<Float>.stride)
  }
}

/// The operations of latent attention over pages of one layout.
@safe
public struct AttentionKernels: @unchecked Sendable {
  // Unchecked: points to a constant table.
  private let table: UnsafePointer<ck_attention>
  private let shape: ck_latent_shape
  /// What the pages look like.
  public let layout: LatentPageLayout

  /// Queries and weights are rounded to bfloat16 where `kernels` rounds inputs and latents are
  /// bfloat16; int8 latents make int8 of them.
  public init(_ kernels: Kernels, layout: LatentPageLayout) {
    shape = layout.shape(isRounded: kernels.roundsInputs)
    guard let table = unsafe ck_attention_of(kernels.tier.kernelTier, shape.form) else {
      preconditionFailure("a tier that made kernels has attention")
    }
    unsafe self.table = unsafe table
    self.layout = layout
  }

  /// Elements of a packed panel of queries.
  public var panelWidth: Int {
    var shape = shape
    return unsafe Int(ck_panel_words(&shape))
  }

  /// Elements of a panel in the form that takes most.
  public static func widestPanel(rank: Int, rope: Int) -> Int {
    var shape = LatentPageLayout(rank: rank, rope: rope, format: .float32).shape()
    return unsafe Int(ck_panel_words(&shape))
  }

  /// Packs up to 16 queries [lanes, rank + rope] as row `panel` of `panels`, which has no gaps.
  public func pack(_ queries: Rows, into panels: Rows, panel: Int) {
    precondition(queries.width == layout.rank + layout.rope, "width of a query")
    precondition(queries.count <= AttentionLanes.width, "lanes of a panel")
    precondition(panels.width == panelWidth && panels.stride == panelWidth, "width of a panel")
    var shape = shape
    unsafe table.pointee.pack(&shape, queries.raw, panels.pointer(row: panel))
  }

  /// Makes a page of 64 tokens, keys and values as the layout has them [64, layout.width]; of
  /// bfloat16 as the steps take it.
  /// - Parameter page: exactly `layout.byteCount` bytes, aligned to 4.
  public func fill(_ page: UnsafeMutableRawBufferPointer, from tokens: Rows) {
    precondition(tokens.count == LatentPageLayout.slotCount, "tokens of a page")
    precondition(tokens.width == layout.width, "width of a token")
    precondition(page.count == layout.byteCount, "size of a page")
    var shape = shape
    unsafe table.pointee.fill(&shape, tokens.raw, page.baseAddress)
  }

  /// Takes one page into the sums of some lanes, which must see a slot of the page or of one before
  /// it in this part.
  /// - Parameters:
  ///   - page: one layer's part of a page; exactly `layout.byteCount` bytes.
  ///   - next: a page that will be needed soon.
  ///   - position: of slot 0.
  ///   - firstSlot: the first slot that the lanes see.
  ///   - queries: packed, one panel for every 16 lanes.
  ///   - startsPart: whether the sums begin with this page.
  public func step(
    _ page: UnsafeRawBufferPointer, next: UnsafeRawBufferPointer?, position: Int, firstSlot: Int,
    lanes: AttentionLanes, queries: Rows, scale: Float, startsPart: Bool, into sums: AttentionSums
  ) {
    precondition(page.count == layout.byteCount, "size of a page")
    precondition(unsafe next.map { $0.count == layout.byteCount } ?? true, "size of a page")
    precondition(firstSlot >= 0 && firstSlot < LatentPageLayout.slotCount, "slot out of bounds")
    precondition(queries.width == panelWidth && queries.stride == panelWidth, "width of a panel")
    precondition(queries.count >= lanes.panels && sums.state.count >= lanes.panels, "panels")
    precondition(sums.latents.count >= lanes.count, "lanes")
    precondition(sums.latents.width == layout.sumWidth, "width of a sum")
    var step = unsafe ck_attention_step(
      shape: shape, page: page.baseAddress, next: next?.baseAddress, position: Int64(position),
      first: Int64(firstSlot), lanes: Int64(lanes.count), visible: Int64(lanes.position + 1),
      head: Int64(lanes.firstHead), heads: Int64(lanes.heads), queries: queries.pointer(row: 0),
      scale: scale, fresh: startsPart ? 1 : 0, state: sums.state.pointer(row: 0),
      sums: sums.latents.pointer(row: 0))
    unsafe table.pointee.step(&step)
  }

  /// Adds what one lane found in the part of a context up to `end` to what it found before, row
  /// `target` of `total`; with its last part the total becomes the softmax-weighted latent. Parts
  /// that a lane sees nothing of change nothing.
  /// - Parameter state: the total's maximum and sum [lanes, 2].
  public func merge(
    _ part: AttentionSums, lane: Int, of lanes: AttentionLanes, isFirst: Bool, end: Int,
    into total: Rows, state: Rows, row target: Int
  ) {
    precondition(lane >= 0 && lane < lanes.count, "lane out of bounds")
    let width = layout.sumWidth
    precondition(part.latents.width == width && total.width == width, "width of a sum")
    precondition(state.width == 2, "maximum and sum")
    let (panel, place) = lane.quotientAndRemainder(dividingBy: AttentionLanes.width)
    let partState = unsafe part.state.pointer(row: panel)
    let totalState = unsafe state.pointer(row: target)
    var merge = unsafe ck_attention_merge(
      width: Int64(width), part: part.latents.pointer(row: lane),
      part_maximum: partState[place], part_sum: partState[AttentionLanes.width + place],
      total: total.pointer(row: target), total_maximum: totalState, total_sum: totalState + 1,
      is_first: isFirst ? 1 : 0, is_last: lanes.position(of: lane) < end ? 1 : 0)
    unsafe table.pointee.merge(&merge)
  }
}
