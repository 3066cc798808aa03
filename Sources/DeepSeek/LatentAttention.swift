// Multi-head latent attention (DeepSeek-V2 paper, section 2.1; DeepSeek-V3 paper, section 2.1.1) in
// its absorbed form, for every row, prompt or generated, but those that a segment wants expanded:
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
    case direct(PackedMatrix)
    case lowRank(down: PackedMatrix, bias: Vector?, norm: Vector, up: PackedMatrix)
  }

  let query: QueryProjection
  /// [latentRank + rope, hidden]
  let latentDown: PackedMatrix
  let latentBias: Vector?
  let latentNorm: Vector
  /// Per head W_UK^T [latentRank, nope] and W_UV [value, latentRank].
  let keys: [PackedMatrix]
  let values: [PackedMatrix]
  /// Per head W_UK [nope, latentRank], for rows in the expanded form; nil where there are none.
  let expandedKeys: [PackedMatrix]?
  /// [hidden, heads * value]
  let output: PackedMatrix
  let outputBias: Vector?

  /// The norms over low-rank states use this whatever `rms_norm_eps` says.
  static let latentEpsilon: Float = 1e-6
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
    let backend = context.backend
    project(x, context, buffers, into: query)
    backend.finished(.attentionProjections)
    backend.forEachRow(
      x.count, cost: query.width / 4 + Self.storingCost,
      RopeRotation(
        query: query, latent: buffers.latent.rows(rows), rotation: buffers.rotation.rows(rows),
        norm: latentNorm, context: context, batch: batch, layer: layer))
    backend.finished(.other)
    var done = 0
    while done < x.count {
      let run = batch.run(from: done)
      if run.isExpanded {
        attendExpanded(run.rows, batch: batch, layer: layer, context, buffers)
      } else {
        attendAbsorbed(run.rows, batch: batch, layer: layer, context, buffers)
      }
      done = run.rows.upperBound
    }
    backend.linear(output, buffers.values.rows(rows), using: buffers.inputEncoding, into: y)
    if let outputBias { Elementwise.add(outputBias, to: y) }
    backend.finished(.attentionOutput)
  }

  /// From the queries of some rows to their values.
  private func attendAbsorbed(
    _ rows: Range<Int>, batch: ForwardBatch, layer: Int, _ context: AttentionContext,
    _ buffers: ActivationBuffers
  ) {
    let backend = context.backend
    // Absorbed queries and what they find are the widest rows there are: some at a time, while the
    // caches hold them.
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: buffers.attended.count) {
      let block = first..<min(first + buffers.attended.count, rows.upperBound)
      absorb(buffers.query.rows(block), context, buffers)
      backend.finished(.absorption)
      LatentScan(batch: batch, rows: block, layer: layer, context, buffers).run()
      backend.finished(.latentScan)
      expandValues(context, buffers, into: buffers.values.rows(block))
      backend.finished(.valueExpansion)
    }
  }

  /// The same in the expanded form, for rows of one segment.
  private func attendExpanded(
    _ rows: Range<Int>, batch: ForwardBatch, layer: Int, _ context: AttentionContext,
    _ buffers: ActivationBuffers
  ) {
    guard let expandedKeys, let scratch = buffers.expandedScan else {
      preconditionFailure("weights were not loaded for the expanded form")
    }
    var scan = ExpandedScan(
      batch: batch, rows: rows, layer: layer, keys: expandedKeys, values: values,
      query: buffers.query, output: buffers.values, context, scratch)
    scan.run()
  }

  /// Nanoseconds that a thread takes to store a latent.
  private static let storingCost = 1_000

  /// Queries [rows, heads * (nope + rope)] and latents with their rope keys, neither rotated nor
  /// normed yet.
  private func project(
    _ x: Rows, _ context: AttentionContext, _ buffers: ActivationBuffers, into q: Rows
  ) {
    let backend = context.backend
    let latent = buffers.latent.rows(0..<x.count)
    let reduction: PackedMatrix
    var first = q
    switch query {
    case .direct(let projection): reduction = projection
    case .lowRank(let down, _, _, _):
      reduction = down
      first = buffers.queryLatent.rows(0..<x.count)
    }
    let input = backend.encode(x, for: reduction.format, in: buffers.inputEncoding)
    let latentInput =
      backend.takesAlike(reduction.format, latentDown.format)
      ? input : backend.encode(x, for: latentDown.format, in: buffers.secondEncoding)
    backend.linear(
      Product(reduction, input, into: first), Product(latentDown, latentInput, into: latent))
    if let latentBias { Elementwise.add(latentBias, to: latent) }
    guard case .lowRank(_, let bias, let norm, let up) = query else { return }
    if let bias { Elementwise.add(bias, to: first) }
    backend.kernels.rmsNorm(first, weight: norm, epsilon: Self.latentEpsilon, into: first)
    backend.linear(up, first, using: buffers.inputEncoding, into: q)
  }

  /// Rotates the rope parts of queries and keys, norms the latents, and stores what is cached.
  private struct RopeRotation: RowWork {
    let query: Rows
    let latent: Rows
    let rotation: Rows
    let norm: Vector
    let context: AttentionContext
    let batch: ForwardBatch
    let layer: Int

    func perform(rows: Range<Int>) {
      let (nope, rope, rank) = (context.widths.nope, context.widths.rope, context.widths.rank)
      let angles = rotation.rows(rows)
      let (q, stored) = (query.rows(rows), latent.rows(rows))
      for head in 0..<context.heads {
        let end = (head + 1) * (nope + rope)
        context.embedding.apply(angles, to: q.columns(end - rope..<end))
      }
      let part = stored.columns(0..<rank)
      context.backend.kernels.rmsNorm(
        part, weight: norm, epsilon: LatentAttention.latentEpsilon, into: part)
      context.embedding.apply(angles, to: stored.columns(rank..<rank + rope))
      for row in rows {
        let (page, slot) = batch.place(ofRow: row)
        context.storage.write(latent, row: row, page: page, slot: slot, layer: layer)
      }
    }
  }

  /// q~_h = W_UK,h^T q_nope and the rope part beside it, per head, into `buffers.absorbedQuery`.
  private func absorb(_ q: Rows, _ context: AttentionContext, _ buffers: ActivationBuffers) {
    let (heads, widths, backend) = (context.heads, context.widths, context.backend)
    let parts = backend.encode(
      q.split(into: heads).columns(0..<widths.nope), for: keys[0].format,
      in: buffers.headEncoding)
    let tasks = backend.taskCount(cost: Self.cost(of: keys, rows: q.count), atMost: heads)
    backend.pool.run(
      tasks: tasks,
      HeadAbsorption(
        keys: keys, query: q, nopeParts: parts, absorbed: buffers.absorbedQuery.rows(0..<q.count),
        widths: widths, tasks: tasks, kernels: backend.kernels))
  }

  /// o_h = W_UV,h z_h, per head, of `buffers.attended`.
  private func expandValues(
    _ context: AttentionContext, _ buffers: ActivationBuffers, into output: Rows
  ) {
    let (heads, backend) = (context.heads, context.backend)
    let attended = buffers.attended.rows(0..<output.count)
    let parts = backend.encode(
      attended.split(into: heads), for: values[0].format, in: buffers.headEncoding)
    let tasks = backend.taskCount(cost: Self.cost(of: values, rows: output.count), atMost: heads)
    backend.pool.run(
      tasks: tasks,
      ValueExpansion(
        values: values, attended: parts, output: output, widths: context.widths, tasks: tasks,
        kernels: backend.kernels))
  }

  private static func cost(of matrices: [PackedMatrix], rows: Int) -> Int {
    let first = matrices[0]
    return matrices.count
      * Backend.cost(multiplyAdds: first.multiplyAdds, bytes: first.byteCount, rows: rows)
  }
}
