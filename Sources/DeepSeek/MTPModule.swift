// Multi-token prediction (DeepSeek-V3 paper, section 2.2), in the order that the released weights
// need: the embedding comes first in the joined input, although equation 21 writes it second.
//
//   row i:  u_i = W_eh [ enorm(Emb(t_i)) ; hnorm(h_{i-1}) ],  i = 1, 2, ...
//           y_i = norm(Layer(u_1 ... u_i))
//           logits for token i + 1 = head(y_i)
//
// h_i is the main model's state after its final norm; a further module, or the same one again,
// takes y_i in its place. The module has a causal attention and latents of its own. The paper
// numbers a row by its state; here the number is that of its token, so that a page's latents depend
// on no token beyond the page and can be shared with it. Rope angles only ever meet as differences.

import Compute

/// Weights of one MTP module.
struct MTPModule: Sendable {
  let embedding: StoredMatrix
  let embeddingNorm: Vector
  let hiddenNorm: Vector
  /// W_eh [hidden, 2 * hidden]
  let projection: PackedMatrix
  let layer: DecoderLayer
  let outputNorm: Vector
  let head: PackedMatrix

  /// - Parameters:
  ///   - batch: positions from 1; `firstVisible` is where the module's latents begin.
  ///   - hidden: for each row the state of the position before it [rows, hidden].
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
      embedding.decode(row: Int(batch.tokens[row]), into: left, row: row)
    }
    backend.kernels.rmsNorm(left, weight: embeddingNorm, epsilon: epsilon, into: left)
    backend.kernels.rmsNorm(hidden, weight: hiddenNorm, epsilon: epsilon, into: right)
    backend.finished(.other)
    backend.linear(projection, joined, using: buffers.inputEncoding, into: x)
    backend.finished(.draftInput)
    context.embedding.fill(buffers.rotation.rows(rows), positions: batch.positions)
    layer.forward(x, batch: batch, index: layerIndex, context, buffers, &plan)
    backend.kernels.rmsNorm(x, weight: outputNorm, epsilon: epsilon, into: output)
  }
}
