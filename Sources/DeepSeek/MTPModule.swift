// Multi-token prediction (DeepSeek-V3 paper, section 2.2), in the order that the released weights
// need: the embedding comes first in the joined input, although equation 21 writes it second.
//
//   row i:  u_i = W_eh [ enorm(Emb(t_{i+1})) ; hnorm(h_i) ]
//           y_i = norm(Layer(u_0 ... u_i))
//           logits for token i + 2 = head(y_i)
//
// h_i is the main model's state after its final norm; a further module takes y_i in its place. The
// module has a causal attention and latents of its own.

import Compute

/// Weights of one MTP module.
struct MTPModule: Sendable {
  let embedding: MatrixView
  let embeddingNorm: Vector
  let hiddenNorm: Vector
  /// W_eh [hidden, 2 * hidden]
  let projection: MatrixView
  let layer: DecoderLayer
  let outputNorm: Vector
  let head: MatrixView

  /// - Parameters:
  ///   - batch: row i holds position i and token i + 1.
  ///   - hidden: h_i of the same rows [rows, hidden]; may be `output`.
  ///   - layerIndex: the module's layer in the latent pages.
  ///   - output: receives y [rows, hidden].
  func forward(
    batch: ForwardBatch, hidden: Rows, layerIndex: Int, _ context: AttentionContext,
    _ buffers: ActivationBuffers, _ plan: inout ExpertPlan, into output: Rows
  ) {
    let rows = 0..<batch.rowCount
    let (backend, epsilon) = (context.backend, layer.epsilon)
    let x = buffers.residual.rows(rows)
    let joined = buffers.joined.rows(rows)
    let (left, right) = (joined.columns(0..<x.width), joined.columns(x.width..<2 * x.width))
    for row in rows {
      Elementwise.decode(embedding, row: Int(batch.tokens[row]), into: left, row: row)
    }
    backend.kernels.rmsNorm(left, weight: embeddingNorm, epsilon: epsilon, into: left)
    backend.kernels.rmsNorm(hidden, weight: hiddenNorm, epsilon: epsilon, into: right)
    backend.linear(projection, joined, into: x)
    context.embedding.fill(buffers.rotation.rows(rows), positions: batch.positions)
    layer.forward(x, batch: batch, index: layerIndex, context, buffers, &plan)
    backend.kernels.rmsNorm(x, weight: outputNorm, epsilon: epsilon, into: output)
  }
}
