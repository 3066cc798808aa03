// Scores and weighted latents: the pass over a sequence's pages.
//
// Rows x heads of a sequence are one matrix against its pages. A context is cut into parts at fixed
// positions, each part is walked in order with a running softmax, and the parts are merged in
// order: every row and head is computed as if it were alone, whoever computes which part, so
// neither the thread count nor the rows that share a pass can change a bit.

import Compute

/// The attention of one layer over all rows of a batch.
struct LatentScan: ParallelWork {
  private let batch: ForwardBatch
  private let layer: Int
  private let storage: LatentStorage
  private let backend: Backend
  private let kernels: AttentionKernels
  private let heads: Int
  private let scale: Float
  /// Absorbed queries [rows * heads, rank + rope], and what they find [rows * heads, rank].
  private let query: Rows
  private let attended: Rows
  private let buffers: LatentScanBuffers
  private let isParallel: Bool
  private var phase = Phase.group(first: 0)

  /// Pages of a part: the context of a single row is shared out among threads by parts. Small
  /// enough to balance them, large enough for the merging not to count.
  static let pagesPerPart = 4
  private static let tokensPerPart = pagesPerPart * LatentStorage.tokensPerPage
  /// About what one thread does.
  private static let multiplyAddsPerNanosecond = 24
  /// Lanes that are merged by one task.
  private static let lanesPerMerge = 4

  init(
    batch: ForwardBatch, layer: Int, _ context: AttentionContext, _ buffers: ActivationBuffers
  ) {
    self.batch = batch
    self.layer = layer
    (storage, backend, heads) = (context.storage, context.backend, context.heads)
    kernels = context.kernels
    scale = Float(context.embedding.softmaxScale)
    query = buffers.absorbedQuery.split(into: heads)
    attended = buffers.attended.split(into: heads)
    self.buffers = buffers.scan
    let positions = batch.positions.reduce(0) { $0 + $1 + 1 }
    isParallel = backend.isWorthSplitting(
      cost: positions * max(heads, AttentionLanes.width) * 2 * kernels.layout.rank
        / Self.multiplyAddsPerNanosecond)
  }

  /// Fills `attended` with the softmax-weighted latents of every row and head.
  func run() {
    listGroups()
    let parts = buffers.groups.reduce(0) { $0 + $1.parts.count }
    let longest = buffers.groups.reduce(0) { max($0, $1.parts.count) }
    if isParallel, longest * buffers.slotCount > parts {
      runParts()
    } else {
      runGroups()
    }
  }

  /// Some rows each, with all heads; or, of many heads, some of one row.
  private func listGroups() {
    buffers.groups.removeAll(keepingCapacity: true)
    let limit = LatentScanBuffers.lanesPerGroup
    var row = 0
    while row < batch.rowCount {
      let end = batch.endOfRun(from: row, atMost: max(1, limit / heads))
      for head in stride(from: 0, to: heads, by: limit) {
        let count = end - row > 1 ? (end - row) * heads : min(limit, heads - head)
        let first = batch.segment(ofRow: row).firstVisible / Self.tokensPerPart
        buffers.groups.append(
          LatentGroup(
            row: row,
            lanes: AttentionLanes(
              position: batch.positions[row], firstHead: head, heads: heads, count: count),
            firstLane: row * heads + head,
            parts: first..<batch.positions[end - 1] / Self.tokensPerPart + 1))
      }
      row = end
    }
  }

  /// Every group is one task, which merges as it goes.
  private func runGroups() {
    for first in stride(from: 0, to: buffers.groups.count, by: buffers.slotCount) {
      run(min(buffers.slotCount, buffers.groups.count - first), .group(first: first))
    }
  }

  /// Every part of a group is a task: some parts at a time, which are then merged in order.
  private func runParts() {
    var (group, part) = (0, buffers.groups[0].parts.lowerBound)
    while group < buffers.groups.count {
      let first = group
      buffers.items.removeAll(keepingCapacity: true)
      while group < buffers.groups.count, buffers.items.count < buffers.slotCount {
        buffers.items.append(LatentScanItem(group: group, part: part))
        part += 1
        if part == buffers.groups[group].parts.upperBound {
          group += 1
          if group < buffers.groups.count { part = buffers.groups[group].parts.lowerBound }
        }
      }
      runItems(firstGroup: first)
    }
  }

  private func runItems(firstGroup: Int) {
    let groups = buffers.items[buffers.items.count - 1].group - firstGroup + 1
    let chunks = LatentScanBuffers.lanesPerGroup / Self.lanesPerMerge
    run(groups, .packing(first: firstGroup))
    run(buffers.items.count, .part(firstGroup: firstGroup))
    run(groups * chunks, .merging(firstGroup: firstGroup, chunks: chunks))
  }

  // MARK: - Steps

  /// Packs the queries of a group into those of a slot.
  private func pack(_ group: LatentGroup, slot: Int) {
    let panels = buffers.queries(slot: slot, kernels)
    let width = AttentionLanes.width
    for panel in 0..<group.lanes.panels {
      let lanes = panel * width..<min((panel + 1) * width, group.lanes.count)
      let rows = group.firstLane + lanes.lowerBound..<group.firstLane + lanes.upperBound
      kernels.pack(query.rows(rows), into: panels, panel: panel)
    }
  }

  /// Walks one part of a group's context.
  private func scan(_ group: LatentGroup, part: Int, queriesOf querySlot: Int, slot: Int) {
    let size = LatentStorage.tokensPerPage
    let segment = batch.segment(ofRow: group.row)
    let queries = buffers.queries(slot: querySlot, kernels)
    let sums = buffers.sums(slot: slot)
    let lastPage = group.lanes.lastPosition / size
    let first = max(segment.firstVisible / size, part * Self.pagesPerPart)
    for number in first...min(lastPage, (part + 1) * Self.pagesPerPart - 1) {
      let next = number < lastPage ? segment.pages[number + 1] : nil
      unsafe kernels.step(
        storage.latents(segment.pages[number], layer: layer),
        next: next.map { unsafe storage.latents($0, layer: layer) }, position: number * size,
        firstSlot: max(segment.firstVisible - number * size, 0), lanes: group.lanes,
        queries: queries, scale: scale, startsPart: number == first, into: sums)
    }
  }

  /// Adds one part to what some lanes of the group found in the parts before it.
  private func merge(_ group: LatentGroup, part: Int, slot: Int, lanes: Range<Int>) {
    let sums = buffers.sums(slot: slot)
    for lane in lanes {
      kernels.merge(
        sums, lane: lane, of: group.lanes, isFirst: part == group.parts.lowerBound,
        end: (part + 1) * Self.tokensPerPart, into: attended, state: buffers.state,
        row: group.firstLane + lane)
    }
  }

  // MARK: - Tasks

  /// What the tasks of an operation do; groups and items count from the operation's first. All in
  /// one type, so that nothing has to be made when a context first grows to several parts.
  private enum Phase {
    /// Everything for one group.
    case group(first: Int)
    /// The queries of one group.
    case packing(first: Int)
    /// One item.
    case part(firstGroup: Int)
    /// All items of one group, for some of its lanes.
    case merging(firstGroup: Int, chunks: Int)
  }

  func perform(task: Int) {
    switch phase {
    case .group(let first):
      let group = buffers.groups[first + task]
      pack(group, slot: task)
      for part in group.parts {
        scan(group, part: part, queriesOf: task, slot: task)
        merge(group, part: part, slot: task, lanes: 0..<group.lanes.count)
      }
    case .packing(let first):
      pack(buffers.groups[first + task], slot: task)
    case .part(let firstGroup):
      let item = buffers.items[task]
      scan(
        buffers.groups[item.group], part: item.part, queriesOf: item.group - firstGroup,
        slot: task)
    case .merging(let firstGroup, let chunks):
      let (index, chunk) = task.quotientAndRemainder(dividingBy: chunks)
      mergeItems(ofGroup: firstGroup + index, chunk: chunk)
    }
  }

  private func mergeItems(ofGroup number: Int, chunk: Int) {
    let group = buffers.groups[number]
    let first = chunk * Self.lanesPerMerge
    guard first < group.lanes.count else { return }
    let lanes = first..<min(first + Self.lanesPerMerge, group.lanes.count)
    for (slot, item) in buffers.items.enumerated() where item.group == number {
      merge(group, part: item.part, slot: slot, lanes: lanes)
    }
  }

  private func run(_ tasks: Int, _ phase: Phase) {
    var work = self
    work.phase = phase
    if isParallel {
      backend.pool.run(tasks: tasks, work)
    } else {
      for task in 0..<tasks { work.perform(task: task) }
    }
  }
}

extension ForwardBatch {
  /// One past the last row of the run from `row` on that belongs to one segment.
  fileprivate func endOfRun(from row: Int, atMost limit: Int) -> Int {
    var end = row + 1
    while end < min(rowCount, row + limit), segmentOfRow[end] == segmentOfRow[row] { end += 1 }
    return end
  }
}
