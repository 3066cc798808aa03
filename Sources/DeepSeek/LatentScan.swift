// Scores and weighted latents: the pass over a sequence's pages.
//
// Rows x heads are one matrix against the latents of a page, which are read once for all of them.
// Pages are walked in order with a running softmax, and every row of the matrix is computed as if
// it were alone, so it does not matter which rows share a pass.

import Compute

/// The attention of one layer over all rows of a batch.
struct LatentScan: ParallelWork {
  private let batch: ForwardBatch
  private let layer: Int
  private let storage: LatentStorage
  private let backend: Backend
  private let heads: Int
  private let rank: Int
  private let scale: Float
  /// Absorbed queries [rows, heads * (rank + rope)], and what they find [rows, heads * rank].
  private let query: Rows
  private let attended: Rows
  /// Per task.
  private let scores: [Rows]
  private let softmax: [Rows]
  /// Heads of a row are taken in so many groups, or so many rows together.
  private let groups: Int
  private let rowsPerPass: Int
  private let tasks: Int

  init(
    batch: ForwardBatch, layer: Int, _ context: AttentionContext, _ buffers: ActivationBuffers
  ) {
    self.batch = batch
    self.layer = layer
    (storage, backend, heads) = (context.storage, context.backend, context.heads)
    rank = context.widths.rank
    scale = Float(context.embedding.softmaxScale)
    (query, attended) = (buffers.absorbedQuery, buffers.attended)
    (scores, softmax) = (buffers.scores, buffers.softmax)
    groups = (heads + LatentAttention.headGroup - 1) / LatentAttention.headGroup
    rowsPerPass = max(1, LatentAttention.headGroup / heads)
    let positions = batch.positions.reduce(0) { $0 + $1 + 1 }
    tasks = backend.taskCount(
      multiplyAdds: positions * heads * 2 * rank, atMost: batch.rowCount * groups)
  }

  /// Fills `attended` with the softmax-weighted latents of every row and head.
  func run() { backend.pool.run(tasks: tasks, self) }

  func perform(task: Int) {
    // Later rows have longer contexts: dealing passes out in turn balances the tasks.
    var turn = 0
    var row = 0
    while row < batch.rowCount {
      let rows = row..<batch.endOfRun(from: row, atMost: rowsPerPass)
      for group in 0..<groups {
        if turn % tasks == task {
          let first = group * LatentAttention.headGroup
          scan(rows, first..<min(first + LatentAttention.headGroup, heads), task: task)
        }
        turn += 1
      }
      row = rows.upperBound
    }
  }

  /// Rows of one sequence, with some heads if it is one row and all of them if there are more.
  private func scan(_ rows: Range<Int>, _ someHeads: Range<Int>, task: Int) {
    let parts = someHeads.lowerBound..<(rows.count - 1) * heads + someHeads.upperBound
    let pass = Pass(
      query: query.rows(rows).split(into: heads).rows(parts),
      attended: attended.rows(rows).split(into: heads).rows(parts),
      scores: scores[task], state: softmax[task])
    pass.state.rows(0..<1).fill(-.infinity)
    pass.state.rows(1..<2).fill(0)
    let size = LatentStorage.tokensPerPage
    let segment = batch.segment(ofRow: rows.lowerBound)
    let firstPage = segment.firstVisible / size
    for number in firstPage...batch.positions[rows.upperBound - 1] / size {
      let page = segment.pages[number]
      let lowest = max(segment.firstVisible - number * size, 0)
      let isFirst = number == firstPage
      if batch.positions[rows.lowerBound] + 1 >= (number + 1) * size || rows.count == 1 {
        let end = min(batch.positions[rows.lowerBound] + 1 - number * size, size)
        step(pass, 0..<parts.count, page, lowest..<end, isFirst: isFirst)
      } else {
        for row in rows where batch.positions[row] >= number * size {
          let part = (row - rows.lowerBound) * heads
          let end = min(batch.positions[row] + 1 - number * size, size)
          step(pass, part..<part + heads, page, lowest..<end, isFirst: isFirst)
        }
      }
    }
    for part in 0..<parts.count {
      Elementwise.scale(pass.attended, row: part, by: 1 / pass.state[1, part])
    }
  }

  /// What one pass works on: a row per (row, head).
  private struct Pass {
    let query: Rows
    let attended: Rows
    let scores: Rows
    let state: Rows
  }

  /// Some of the pass's rows take in some slots of a page.
  private func step(
    _ pass: Pass, _ parts: Range<Int>, _ page: PageIndex, _ slots: Range<Int>, isFirst: Bool
  ) {
    let kernels = backend.kernels
    let scores = pass.scores.rows(parts).columns(0..<slots.count)
    let state = pass.state.columns(parts)
    let keys = storage.matrix(page, layer: layer, columns: pass.query.width)
    kernels.project(keys, outputs: slots, pass.query.rows(parts), into: scores)
    kernels.softmaxStep(scores, scale: scale, state: state)
    let latents = storage.matrix(page, layer: layer, columns: rank)
    let sums = pass.attended.rows(parts)
    if isFirst {
      kernels.linearTransposed(latents, inputs: slots, scores, into: sums)
    } else {
      kernels.linearTransposed(
        latents, inputs: slots, scores, carry: state.rows(2..<3), into: sums)
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
