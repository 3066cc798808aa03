// Scores and weighted latents: the pass over a sequence's pages.
//
// Rows x heads of a sequence are one matrix against its pages. A context is cut into parts at fixed
// positions, each part is walked in order with a running softmax, and the parts are merged in
// order: every row and head is computed as if it were alone, whoever computes which part, so
// neither the thread count nor the rows that share a pass can change a bit.

import Compute

/// The attention of one layer over some rows of a batch.
struct LatentScan: ParallelWork {
  private let batch: ForwardBatch
  private let rows: Range<Int>
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

  /// About what one thread does.
  private static let multiplyAddsPerNanosecond = 24
  /// Lanes that are merged by one task.
  private static let lanesPerMerge = 4

  init(
    batch: ForwardBatch, rows: Range<Int>, layer: Int, _ context: AttentionContext,
    _ buffers: ActivationBuffers
  ) {
    self.batch = batch
    self.rows = rows
    self.layer = layer
    (storage, backend, heads) = (context.storage, context.backend, context.heads)
    kernels = context.kernels
    scale = Float(context.embedding.softmaxScale)
    query = buffers.absorbedQuery.rows(0..<rows.count).split(into: heads)
    attended = buffers.attended.rows(0..<rows.count).split(into: heads)
    self.buffers = buffers.scan
    let positions = batch.positions[rows].reduce(0) { $0 + $1 + 1 }
    isParallel = backend.isWorthSplitting(
      cost: positions * max(heads, AttentionLanes.width) * 2 * kernels.layout.rank
        / Self.multiplyAddsPerNanosecond)
  }

  /// Fills `attended` with the softmax-weighted latents of every row and head.
  func run() {
    listGroups()
    let parts = buffers.groups.reduce(0) { $0 + $1.parts.count }
    let longest = buffers.groups.reduce(0) { max($0, $1.parts.count) }
    if isParallel, longest * buffers.groupCount > parts {
      runParts()
    } else {
      runGroups()
    }
  }

  /// Some rows each, with all heads; or, of many heads, some of one row.
  private func listGroups() {
    buffers.groups.removeAll(keepingCapacity: true)
    let limit = LatentScanBuffers.lanesPerGroup
    var row = rows.lowerBound
    while row < rows.upperBound {
      let end = min(batch.endOfRun(from: row, atMost: max(1, limit / heads)), rows.upperBound)
      for head in stride(from: 0, to: heads, by: limit) {
        let count = end - row > 1 ? (end - row) * heads : min(limit, heads - head)
        let first = batch.segment(ofRow: row).firstVisible
        buffers.groups.append(
          LatentGroup(
            row: row,
            lanes: AttentionLanes(
              position: batch.positions[row], firstHead: head, heads: heads, count: count),
            firstLane: (row - rows.lowerBound) * heads + head,
            parts: Self.part(of: first)..<Self.part(of: batch.positions[end - 1]) + 1))
      }
      row = end
    }
  }

  private static func part(of position: Int) -> Int {
    LatentParts.part(ofPage: position / LatentStorage.tokensPerPage)
  }

  /// Every group is one task, which merges as it goes.
  private func runGroups() {
    for first in stride(from: 0, to: buffers.groups.count, by: buffers.groupCount) {
      run(min(buffers.groupCount, buffers.groups.count - first), .group(first: first))
    }
  }

  /// Every part of a group is a task: some parts at a time, which are then merged in order.
  private func runParts() {
    var next = (group: 0, part: buffers.groups[0].parts.lowerBound)
    while next.group < buffers.groups.count {
      let lanes = listRound(from: &next)
      let chunks = (lanes + Self.lanesPerMerge - 1) / Self.lanesPerMerge
      run(buffers.firstItems.count, .packing)
      run(buffers.items.count, .part)
      run(buffers.firstItems.count * chunks, .merging(chunks: chunks))
    }
  }

  /// As many parts from `next` on as there are panels for, and the most lanes of one of them.
  private func listRound(from next: inout (group: Int, part: Int)) -> Int {
    buffers.items.removeAll(keepingCapacity: true)
    buffers.firstItems.removeAll(keepingCapacity: true)
    var (panel, queries, lanes) = (0, 0, 0)
    while next.group < buffers.groups.count {
      let group = buffers.groups[next.group]
      guard panel + group.lanes.panels <= buffers.panelCount else { break }
      if buffers.items.last?.group != next.group {
        buffers.firstItems.append(buffers.items.count)
        queries = panel
      }
      buffers.items.append(
        LatentScanItem(group: next.group, part: next.part, panel: panel, queries: queries))
      panel += group.lanes.panels
      lanes = max(lanes, group.lanes.count)
      next.part += 1
      guard next.part == group.parts.upperBound else { continue }
      next.group += 1
      if next.group < buffers.groups.count {
        next.part = buffers.groups[next.group].parts.lowerBound
      }
    }
    return lanes
  }

  // MARK: - Steps

  /// Packs the queries of a group into panels from `panel` on.
  private func pack(_ group: LatentGroup, panel first: Int) {
    let panels = buffers.queries(panel: first, count: group.lanes.panels, kernels)
    let width = AttentionLanes.width
    for panel in 0..<group.lanes.panels {
      let lanes = panel * width..<min((panel + 1) * width, group.lanes.count)
      let rows = group.firstLane + lanes.lowerBound..<group.firstLane + lanes.upperBound
      kernels.pack(query.rows(rows), into: panels, panel: panel)
    }
  }

  /// Walks one part of a group's context.
  /// - Parameter following: the part that this thread will likely take next.
  private func scan(
    _ group: LatentGroup, part: Int, queries: Int, panel: Int, following: Int
  ) {
    let size = LatentStorage.tokensPerPage
    let segment = batch.segment(ofRow: group.row)
    let panels = group.lanes.panels
    let queries = buffers.queries(panel: queries, count: panels, kernels)
    let sums = buffers.sums(panel: panel, count: panels)
    let (pages, lastPage) = (LatentParts.pages(ofPart: part), group.lanes.lastPosition / size)
    let first = max(segment.firstVisible / size, pages.lowerBound)
    let last = min(lastPage, pages.upperBound - 1)
    let isLast = !group.parts.contains(following)
    let afterwards = isLast ? nil : LatentParts.pages(ofPart: following).lowerBound
    for number in first...last {
      let next = (number < last ? number + 1 : afterwards).map { segment.pages[$0] }
      unsafe kernels.step(
        storage.latents(segment.pages[number], layer: layer),
        next: next.map { unsafe storage.latents($0, layer: layer) }, position: number * size,
        firstSlot: max(segment.firstVisible - number * size, 0), lanes: group.lanes,
        queries: queries, scale: scale, startsPart: number == first, into: sums)
    }
  }

  /// Adds one part to what some lanes of the group found in the parts before it.
  private func merge(_ group: LatentGroup, part: Int, panel: Int, lanes: Range<Int>) {
    let sums = buffers.sums(panel: panel, count: group.lanes.panels)
    let end = LatentParts.pages(ofPart: part).upperBound * LatentStorage.tokensPerPage
    for lane in lanes {
      kernels.merge(
        sums, lane: lane, of: group.lanes, isFirst: part == group.parts.lowerBound, end: end,
        into: attended, state: buffers.state, row: group.firstLane + lane)
    }
  }

  // MARK: - Tasks

  /// What the tasks of an operation do. All in one type, so that nothing has to be made when a
  /// context first grows to several parts.
  private enum Phase {
    /// Everything for one group; they count from the operation's first.
    case group(first: Int)
    /// The queries of one group of the round.
    case packing
    /// One item of the round.
    case part
    /// All items of one group, for some of its lanes.
    case merging(chunks: Int)
  }

  func perform(task: Int) {
    switch phase {
    case .group(let first):
      let group = buffers.groups[first + task]
      let panel = task * (buffers.panelCount / buffers.groupCount)
      pack(group, panel: panel)
      for part in group.parts {
        scan(group, part: part, queries: panel, panel: panel, following: part + 1)
        merge(group, part: part, panel: panel, lanes: 0..<group.lanes.count)
      }
    case .packing:
      let item = buffers.items[buffers.firstItems[task]]
      pack(buffers.groups[item.group], panel: item.queries)
    case .part:
      // The small parts of a context's beginning come last, where threads wait for each other.
      let item = buffers.items[buffers.items.count - 1 - task]
      scan(
        buffers.groups[item.group], part: item.part, queries: item.queries, panel: item.panel,
        following: item.part - 1)
    case .merging(let chunks):
      let (number, chunk) = task.quotientAndRemainder(dividingBy: chunks)
      mergeItems(from: buffers.firstItems[number], chunk: chunk)
    }
  }

  private func mergeItems(from firstItem: Int, chunk: Int) {
    let number = buffers.items[firstItem].group
    let group = buffers.groups[number]
    let first = chunk * Self.lanesPerMerge
    guard first < group.lanes.count else { return }
    let lanes = first..<min(first + Self.lanesPerMerge, group.lanes.count)
    for item in buffers.items[firstItem...].prefix(while: { $0.group == number }) {
      merge(group, part: item.part, panel: item.panel, lanes: lanes)
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
