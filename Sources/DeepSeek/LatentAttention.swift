// Multi-head latent attention (DeepSeek-V2 paper, section 2.1; DeepSeek-V3 paper, section 2.1.1) in
// its absorbed form, for every row, prompt or generated:
//
//   q_h = [nope | rope(pe)]                         from the low-rank query, or directly
//   [c | k] = W_kva x;  c = norm(c);  k = rope(k)   what the cache keeps, one for all heads
//   q~_h = W_UK,h^T q_nope                          the key expansion moved to the query
//   s = (q~_h . c + q_pe . k) * scale;  z_h = sum softmax(s) c
//   o_h = W_UV,h z_h;  out = W_o [o_1 ... o_H]
//
// Scores and sums walk a sequence's pages in order with a running softmax, so neither the chunk in
// which a row is computed nor the other rows of the batch can change a bit of it.

import Compute

/// Weights of one layer's attention.
struct LatentAttention: Sendable {
  /// How a hidden state becomes a query.
  enum QueryProjection: Sendable {
    case direct(MatrixView)
    case lowRank(down: MatrixView, bias: Vector?, norm: Vector, up: MatrixView)
  }

  let query: QueryProjection
  /// [latentRank + rope, hidden]
  let latentDown: MatrixView
  let latentBias: Vector?
  let latentNorm: Vector
  /// Per head [nope + value, latentRank]: W_UK above W_UV.
  let latentUp: MatrixView
  /// [hidden, heads * value]
  let output: MatrixView
  let outputBias: Vector?

  /// The norms over low-rank states use this whatever `rms_norm_eps` says.
  static let latentEpsilon: Float = 1e-6
  /// Heads of one row that share a pass over the pages.
  static let headGroup = 16
}

/// What the attention of every layer shares.
struct AttentionContext: Sendable {
  let heads: Int
  let nope: Int
  let rope: Int
  let value: Int
  let rank: Int
  let embedding: RotaryEmbedding
  let backend: Backend
  let storage: LatentStorage

  init(_ c: ModelConfiguration, backend: Backend, storage: LatentStorage) {
    (heads, nope, rope) = (c.headCount, c.nopeWidth, c.ropeWidth)
    (value, rank) = (c.valueWidth, c.latentRank)
    embedding = RotaryEmbedding(c)
    self.backend = backend
    self.storage = storage
  }
}

extension LatentAttention {
  /// Attention of the rows `x` [rows, hidden] into `y`; their latents are stored as layer `layer`
  /// of their sequences' pages first. `buffers.rotation` holds the rows' angles.
  func forward(
    _ x: Rows, batch: ForwardBatch, layer: Int, _ context: AttentionContext,
    _ buffers: ActivationBuffers, into y: Rows
  ) {
    let rows = 0..<x.count
    let query = buffers.query.rows(rows)
    project(x, context, buffers, into: query)
    store(x, batch: batch, layer: layer, context, buffers)
    absorb(query, context, into: buffers.absorbedQuery.rows(rows))
    attend(batch: batch, layer: layer, context, buffers)
    expandValues(buffers.attended.rows(rows), context, into: buffers.values.rows(rows))
    context.backend.linear(output, buffers.values.rows(rows), into: y)
    if let outputBias { Elementwise.add(outputBias, to: y) }
  }

  /// Queries [rows, heads * (nope + rope)], their rope parts rotated.
  private func project(
    _ x: Rows, _ context: AttentionContext, _ buffers: ActivationBuffers, into q: Rows
  ) {
    switch query {
    case .direct(let projection):
      context.backend.linear(projection, x, into: q)
    case .lowRank(let down, let bias, let norm, let up):
      let latent = buffers.queryLatent.rows(0..<x.count)
      context.backend.linear(down, x, into: latent)
      if let bias { Elementwise.add(bias, to: latent) }
      context.backend.kernels.rmsNorm(
        latent, weight: norm, epsilon: Self.latentEpsilon, into: latent)
      context.backend.linear(up, latent, into: q)
    }
    let width = context.nope + context.rope
    for head in 0..<context.heads {
      let rope = q.columns(head * width + context.nope..<(head + 1) * width)
      context.embedding.apply(buffers.rotation, to: rope)
    }
  }

  /// Computes latent and rope key of each row and stores them in its sequence's page.
  private func store(
    _ x: Rows, batch: ForwardBatch, layer: Int, _ context: AttentionContext,
    _ buffers: ActivationBuffers
  ) {
    let stored = buffers.latent.rows(0..<x.count)
    context.backend.linear(latentDown, x, into: stored)
    if let latentBias { Elementwise.add(latentBias, to: stored) }
    let latent = stored.columns(0..<context.rank)
    context.backend.kernels.rmsNorm(
      latent, weight: latentNorm, epsilon: Self.latentEpsilon, into: latent)
    context.embedding.apply(
      buffers.rotation, to: stored.columns(context.rank..<context.rank + context.rope))
    for row in 0..<x.count {
      let (page, slot) = batch.place(ofRow: row)
      context.storage.write(stored, row: row, page: page, slot: slot, layer: layer)
    }
  }

  /// q~_h = W_UK,h^T q_nope and the rope part beside it, per head.
  private func absorb(_ q: Rows, _ context: AttentionContext, into absorbed: Rows) {
    let (nope, rope, rank) = (context.nope, context.rope, context.rank)
    forEachHead(of: q.count, inner: nope * rank, context) { head in
      let part = q.columns(head * (nope + rope)..<(head + 1) * (nope + rope))
      let target = absorbed.columns(head * (rank + rope)..<(head + 1) * (rank + rope))
      let first = head * (nope + context.value)
      context.backend.kernels.linearTransposed(
        latentUp, inputs: first..<first + nope, part.columns(0..<nope),
        into: target.columns(0..<rank))
      target.columns(rank..<rank + rope).copy(from: part.columns(nope..<nope + rope))
    }
  }

  /// o_h = W_UV,h z_h, per head.
  private func expandValues(_ attended: Rows, _ context: AttentionContext, into values: Rows) {
    let (value, rank) = (context.value, context.rank)
    forEachHead(of: attended.count, inner: value * rank, context) { head in
      let first = head * (context.nope + value) + context.nope
      context.backend.kernels.linear(
        latentUp, outputs: first..<first + value,
        attended.columns(head * rank..<(head + 1) * rank),
        into: values.columns(head * value..<(head + 1) * value))
    }
  }

  private func forEachHead(
    of rows: Int, inner: Int, _ context: AttentionContext, _ body: @Sendable (Int) -> Void
  ) {
    let heads = context.heads
    let tasks = context.backend.taskCount(multiplyAdds: rows * heads * inner, atMost: heads)
    context.backend.pool.run(tasks: tasks) { task in
      for head in Backend.share(of: heads, task: task, of: tasks, granule: 1) { body(head) }
    }
  }
}

// MARK: - Scores and weighted latents

extension LatentAttention {
  /// Fills `buffers.attended` with the softmax-weighted latents of every row and head.
  private func attend(
    batch: ForwardBatch, layer: Int, _ context: AttentionContext, _ buffers: ActivationBuffers
  ) {
    let groups = (context.heads + Self.headGroup - 1) / Self.headGroup
    let items = batch.rowCount * groups
    let positions = batch.positions.reduce(0) { $0 + $1 + 1 }
    let tasks = context.backend.taskCount(
      multiplyAdds: positions * context.heads * 2 * context.rank, atMost: items)
    context.backend.pool.run(tasks: tasks) { task in
      // Later rows have longer contexts: dealing rows out in turn balances the tasks.
      for item in stride(from: task, to: items, by: tasks) {
        let (row, group) = item.quotientAndRemainder(dividingBy: groups)
        let first = group * Self.headGroup
        attend(
          row: row, heads: first..<min(first + Self.headGroup, context.heads), batch: batch,
          layer: layer, context, buffers, scratch: task)
      }
    }
  }

  /// One row, a group of its heads: a single pass over the pages from the first visible position up
  /// to the row's own.
  private func attend(
    row: Int, heads: Range<Int>, batch: ForwardBatch, layer: Int, _ context: AttentionContext,
    _ buffers: ActivationBuffers, scratch: Int
  ) {
    let kernels = context.backend.kernels
    let query = buffers.absorbedQuery.row(row, splitInto: context.heads).rows(heads)
    let attended = buffers.attended.row(row, splitInto: context.heads).rows(heads)
    let state = buffers.softmax[scratch]
    state.rows(0..<1).fill(-.infinity)
    state.rows(1..<2).fill(0)
    let size = LatentStorage.tokensPerPage
    let segment = batch.segment(ofRow: row)
    let visible = segment.firstVisible..<batch.positions[row] + 1
    let firstPage = visible.lowerBound / size
    for number in firstPage...batch.positions[row] / size {
      let page = segment.pages[number]
      let slots =
        max(visible.lowerBound - number * size, 0)..<min(visible.upperBound - number * size, size)
      let scores = buffers.scores[scratch].rows(0..<heads.count).columns(0..<slots.count)
      let keys = context.storage.matrix(page, layer: layer, columns: query.width)
      kernels.linear(keys, outputs: slots, query, into: scores)
      kernels.softmaxStep(scores, scale: Float(context.embedding.softmaxScale), state: state)
      let latents = context.storage.matrix(page, layer: layer, columns: context.rank)
      if number == firstPage {
        kernels.linearTransposed(latents, inputs: slots, scores, into: attended)
      } else {
        kernels.linearTransposed(
          latents, inputs: slots, scores, carry: state.rows(2..<3), into: attended)
      }
    }
    for head in 0..<heads.count { Elementwise.scale(attended, row: head, by: 1 / state[1, head]) }
  }
}
