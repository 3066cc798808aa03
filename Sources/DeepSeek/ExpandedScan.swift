// Latent attention of many rows of a prompt, in the form in which it is defined (DeepSeek-V2 paper,
// section 2.1.2; DeepSeek-V3 paper, equations 2 to 10):
//
//   k_h = [W_UK,h c | k];  v_h = W_UV,h c            for every position and head
//   s = (q_nope . W_UK,h c + q_pe . k) * scale;  o_h = sum softmax(s) v_h
//
// Keys and values are made of the latents in the pages, for some pages at a time, and laid out as
// pages of each head. The rows of a head then walk them like latents, in the order of positions, so
// that neither the chunk nor the number of pages made at a time can change a bit.

import Compute

/// The attention of one layer over rows of one sequence.
struct ExpandedScan: ParallelWork {
  private let rows: Range<Int>
  private let segment: Segment
  private let layer: Int
  private let keys: [PackedMatrix]
  private let values: [PackedMatrix]
  private let context: AttentionContext
  private let kernels: AttentionKernels
  private let scale: Float
  /// [rows, heads * (nope + rope)] and [rows, heads * value]
  private let query: Rows
  private let output: Rows
  private let buffers: ExpandedScanBuffers
  /// The rows' position, and that of the last of them.
  private let position: Int
  private let lastPosition: Int
  private let groupCount: Int
  private var pages = 0..<0
  /// The latents as the products take them.
  private let keyInputs: EncodedRows
  private let valueInputs: EncodedRows
  private var phase = Phase.packing

  private static let slots = LatentStorage.tokensPerPage
  private var heads: Int { context.heads }
  private var widths: HeadWidths { context.widths }

  /// - Parameters:
  ///   - rows: of one segment.
  ///   - query, output: of all rows of the batch.
  init(
    batch: ForwardBatch, rows: Range<Int>, layer: Int, keys: [PackedMatrix],
    values: [PackedMatrix], query: Rows, output: Rows, _ context: AttentionContext,
    _ buffers: ExpandedScanBuffers
  ) {
    self.rows = rows
    segment = batch.segment(ofRow: rows.lowerBound)
    precondition(segment.firstVisible == 0, "a prompt sees its beginning")
    position = batch.positions[rows.lowerBound]
    lastPosition = batch.positions[rows.upperBound - 1]
    self.layer = layer
    self.keys = keys
    self.values = values
    self.context = context
    kernels = AttentionKernels(context.backend.kernels, layout: buffers.layout)
    scale = Float(context.embedding.softmaxScale)
    self.query = query.rows(rows)
    self.output = output.rows(rows)
    self.buffers = buffers
    groupCount =
      (rows.count + ExpandedScanBuffers.rowsPerGroup - 1)
      / ExpandedScanBuffers.rowsPerGroup
    let (backend, latents) = (context.backend, buffers.latents.columns(0..<context.widths.rank))
    keyInputs = backend.place(latents, for: keys[0].format, in: buffers.keyEncoding)
    valueInputs =
      backend.takesAlike(keys[0].format, values[0].format)
      ? keyInputs : backend.place(latents, for: values[0].format, in: buffers.valueEncoding)
  }

  /// Fills the rows of `output` with what every head finds.
  mutating func run() {
    let backend = context.backend
    run(heads * groupCount, .packing)
    let pageCount = lastPosition / Self.slots + 1
    for first in stride(from: 0, to: pageCount, by: buffers.pageCount) {
      pages = first..<min(first + buffers.pageCount, pageCount)
      run(pages.count, .reading)
      encodeLatents()
      run(min(pages.count * heads, buffers.expansionCount), .expansion)
      backend.finished(.contextExpansion)
      run(heads * groupCount, .scan)
      backend.finished(.latentScan)
    }
    run(heads * groupCount, .finish)
    backend.finished(.latentScan)
  }

  /// As the products take them.
  private func encodeLatents() {
    let positions = 0..<pages.count * Self.slots
    let source = buffers.latents.rows(positions).columns(0..<widths.rank)
    context.backend.fill(keyInputs.rows(positions), from: source)
    if valueInputs.encoding != keyInputs.encoding {
      context.backend.fill(valueInputs.rows(positions), from: source)
    }
  }

  private mutating func run(_ tasks: Int, _ phase: Phase) {
    self.phase = phase
    context.backend.pool.run(tasks: tasks, self)
  }

  // MARK: - Tasks

  private enum Phase {
    /// The queries of one group of rows and one head.
    case packing
    /// The latents of one page.
    case reading
    /// Keys and values of some pages and heads.
    case expansion
    /// One group and head against the pages.
    case scan
    /// What one group and head found in all of them.
    case finish
  }

  func perform(task: Int) {
    switch phase {
    case .packing: pack(group(task))
    case .reading: read(pages.lowerBound + task)
    case .expansion:
      let count = pages.count * heads
      for item in Backend.share(of: count, task: task, of: min(count, buffers.expansionCount)) {
        expand(page: pages.lowerBound + item % pages.count, head: item / pages.count, task: task)
      }
    case .scan: scan(group(task))
    case .finish: finish(group(task))
    }
  }

  /// Some rows with one head.
  private struct Group {
    let head: Int
    let rows: Range<Int>
    /// Number among all groups: where its panels are.
    let number: Int
    let lanes: AttentionLanes
  }

  /// Groups of a head follow each other, so that its keys and values stay in a cache.
  private func group(_ task: Int) -> Group {
    let (head, number) = task.quotientAndRemainder(dividingBy: groupCount)
    let size = ExpandedScanBuffers.rowsPerGroup
    let rows = number * size..<min((number + 1) * size, rows.count)
    return Group(
      head: head, rows: rows, number: task,
      lanes: AttentionLanes(
        position: position + rows.lowerBound, firstHead: 0, heads: 1, count: rows.count))
  }

  private func pack(_ group: Group) {
    let width = widths.nope + widths.rope
    let queries = query.columns(group.head * width..<(group.head + 1) * width)
    let panels = buffers.queries(ofGroup: group.number, kernels)
    for panel in 0..<group.lanes.panels {
      let first = group.rows.lowerBound + panel * AttentionLanes.width
      let end = min(first + AttentionLanes.width, group.rows.upperBound)
      kernels.pack(queries.rows(first..<end), into: panels, panel: panel)
    }
  }

  /// Slots beyond the last row hold anything, and are seen by nobody.
  private func read(_ page: Int) {
    let first = (page - pages.lowerBound) * Self.slots
    let latents = unsafe context.storage.latents(segment.pages[page], layer: layer)
    for slot in 0..<Self.slots {
      unsafe context.kernels.layout.decode(
        latents, slot: slot, into: buffers.latents, row: first + slot)
    }
  }

  private func expand(page: Int, head: Int, task: Int) {
    let first = (page - pages.lowerBound) * Self.slots
    let positions = first..<first + Self.slots
    let (nope, rope, rank) = (widths.nope, widths.rope, widths.rank)
    let tokens = buffers.tokens(ofTask: task)
    let backend = context.backend.kernels
    backend.product(
      keys[head], panels: 0..<keys[head].panelCount, keyInputs.rows(positions),
      into: tokens.columns(0..<nope))
    tokens.columns(nope..<nope + rope).copy(
      from: buffers.latents.rows(positions).columns(rank..<rank + rope))
    backend.product(
      values[head], panels: 0..<values[head].panelCount, valueInputs.rows(positions),
      into: tokens.columns(nope + rope..<tokens.width))
    unsafe kernels.fill(buffers.page(page - pages.lowerBound, head: head), from: tokens)
  }

  private func scan(_ group: Group) {
    let last = min(group.lanes.lastPosition / Self.slots, pages.upperBound - 1)
    guard pages.lowerBound <= last else { return }
    let queries = buffers.queries(ofGroup: group.number, kernels)
    let sums = buffers.sums(ofGroup: group.number)
    for page in pages.lowerBound...last {
      unsafe kernels.step(
        UnsafeRawBufferPointer(buffers.page(page - pages.lowerBound, head: group.head)), next: nil,
        position: page * Self.slots, firstSlot: 0, lanes: group.lanes, queries: queries,
        scale: scale, startsPart: page == 0, into: sums)
    }
  }

  private func finish(_ group: Group) {
    let value = widths.value
    let target = output.columns(group.head * value..<(group.head + 1) * value)
    let sums = buffers.sums(ofGroup: group.number)
    let totals = buffers.totals(ofHead: group.head)
    for lane in 0..<group.lanes.count {
      kernels.merge(
        sums, lane: lane, of: group.lanes, isFirst: true, end: lastPosition + 1, into: target,
        state: totals, row: group.rows.lowerBound + lane)
    }
  }
}
