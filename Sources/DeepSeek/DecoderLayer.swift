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
    backend.kernels.rmsNorm(x, weight: inputNorm, epsilon: epsilon, into: normed)
    backend.finished(.other)
    attention.forward(normed, batch: batch, layer: index, context, buffers, into: update)
    Elementwise.add(update, to: x)
    backend.kernels.rmsNorm(x, weight: postAttentionNorm, epsilon: epsilon, into: normed)
    backend.finished(.other)
    switch feedForward {
    case .dense(let dense):
      dense.forward(normed, into: update, backend, buffers)
    case .mixture(let mixture):
      mixture.forward(normed, into: update, backend, buffers, &plan)
    }
    Elementwise.add(update, to: x)
  }
}
