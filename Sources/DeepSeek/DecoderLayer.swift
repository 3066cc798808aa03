// One layer: x += Attention(norm(x)); x += FeedForward(norm'(x)).

import Compute

/// Weights of one decoder layer, of the main model or of an MTP module.
struct DecoderLayer: Sendable {
  enum Mixer: Sendable {
    case dense(DenseFeedForward)
    case mixture(MixtureOfExperts)
  }

  let inputNorm: Vector
  let attention: LatentAttention
  let postAttentionNorm: Vector
  let feedForward: Mixer
  let epsilon: Float

  /// Runs the layer on the residual rows `x` [rows, hidden] in place. Its latents are layer `index`
  /// of the sequences' pages.
  func forward(
    _ x: Rows, batch: ForwardBatch, index: Int, _ context: AttentionContext,
    _ buffers: ActivationBuffers, _ plan: inout ExpertPlan
  ) {
    let rows = 0..<x.count
    let (normed, update) = (buffers.normed.rows(rows), buffers.update.rows(rows))
    let backend = context.backend
    advance(x, by: nil, norming: inputNorm, into: normed, backend)
    backend.finished(.other)
    attention.forward(normed, batch: batch, layer: index, context, buffers, into: update)
    advance(x, by: update, norming: postAttentionNorm, into: normed, backend)
    backend.finished(.other)
    switch feedForward {
    case .dense(let dense):
      dense.forward(normed, into: update, backend, buffers)
    case .mixture(let mixture):
      mixture.forward(normed, into: update, backend, buffers, &plan)
    }
    advance(x, by: update, norming: nil, into: normed, backend)
    backend.finished(.other)
  }

  private func advance(
    _ x: Rows, by update: Rows?, norming weight: Vector?, into normed: Rows, _ backend: Backend
  ) {
    backend.forEachRow(
      x.count, cost: x.width / 4,
      ResidualStep(
        x: x, update: update, weight: weight, normed: normed, epsilon: epsilon,
        kernels: backend.kernels))
  }
}

/// x += update, then normed = norm(x); each where it is wanted.
private struct ResidualStep: RowWork {
  let x: Rows
  let update: Rows?
  let weight: Vector?
  let normed: Rows
  let epsilon: Float
  let kernels: Kernels

  func perform(rows: Range<Int>) {
    if let update { Elementwise.add(update.rows(rows), to: x.rows(rows)) }
    if let weight {
      kernels.rmsNorm(x.rows(rows), weight: weight, epsilon: epsilon, into: normed.rows(rows))
    }
  }
}
