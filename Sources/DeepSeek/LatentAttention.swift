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
}

/// Elements of one head: the parts of its query and its value, and the latent they come from.
struct HeadWidths: Sendable {
  let nope: Int
  let rope: Int
  let value: Int
  let rank: Int
}

/// What the attention of every layer shares.
struct AttentionContext: Sendable {
  let heads: Int
  let widths: HeadWidths
  let embedding: RotaryEmbedding
  let backend: Backend
  let storage: LatentStorage
  let kernels: AttentionKernels

  init(_ c: ModelConfiguration, backend: Backend, storage: LatentStorage) {
    heads = c.headCount
    widths = HeadWidths(
      nope: c.nopeWidth, rope: c.ropeWidth, value: c.valueWidth, rank: c.latentRank)
    embedding = RotaryEmbedding(c)
    self.backend = backend
    self.storage = storage
    kernels = AttentionKernels(backend.kernels, layout: storage.shape.layout)
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
    LatentScan(batch: batch, layer: layer, context, buffers).run()
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
    let width = context.widths.nope + context.widths.rope
    for head in 0..<context.heads {
      let rope = q.columns(head * width + context.widths.nope..<(head + 1) * width)
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
    let latent = stored.columns(0..<context.widths.rank)
    context.backend.kernels.rmsNorm(
      latent, weight: latentNorm, epsilon: Self.latentEpsilon, into: latent)
    context.embedding.apply(
      buffers.rotation,
      to: stored.columns(context.widths.rank..<context.widths.rank + context.widths.rope))
    for row in 0..<x.count {
      let (page, slot) = batch.place(ofRow: row)
      context.storage.write(stored, row: row, page: page, slot: slot, layer: layer)
    }
  }

  /// q~_h = W_UK,h^T q_nope and the rope part beside it, per head.
  private func absorb(_ q: Rows, _ context: AttentionContext, into absorbed: Rows) {
    let work = q.count * context.heads * context.widths.nope * context.widths.rank
    let tasks = context.backend.taskCount(multiplyAdds: work, atMost: context.heads)
    context.backend.pool.run(
      tasks: tasks,
      HeadAbsorption(
        latentUp: latentUp, query: q, absorbed: absorbed, heads: context.heads,
        widths: context.widths, tasks: tasks, kernels: context.backend.kernels))
  }

  /// o_h = W_UV,h z_h, per head.
  private func expandValues(_ attended: Rows, _ context: AttentionContext, into values: Rows) {
    let work = attended.count * context.heads * context.widths.value * context.widths.rank
    let tasks = context.backend.taskCount(multiplyAdds: work, atMost: context.heads)
    context.backend.pool.run(
      tasks: tasks,
      ValueExpansion(
        latentUp: latentUp, attended: attended, values: values, heads: context.heads,
        widths: context.widths, tasks: tasks, kernels: context.backend.kernels))
  }
}
