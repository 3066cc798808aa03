// The model from tokens to logits, top to bottom.

import Compute

/// A loaded model with the memory it computes in. All methods are called from one thread, the
/// engine's; results stay valid until the next call.
public final class DeepSeekModel: @unchecked Sendable {
  // Unchecked: after loading, the engine thread is the only one that calls into it.
  /// What the checkpoint is.
  public let configuration: ModelConfiguration
  /// Where latents are kept; pages are given out by the engine.
  public let storage: LatentStorage
  private let weights: ModelWeights
  private let context: AttentionContext
  private let buffers: ActivationBuffers
  private var plan: ExpertPlan
  private var rowCount = 0

  /// - Parameters:
  ///   - rows: the most rows of one pass.
  ///   - logitRows: the most rows of one call of `logits`.
  public init(
    weights: ModelWeights, backend: Backend, storage: LatentStorage, rows: Int, logitRows: Int
  ) {
    let c = weights.configuration
    precondition(
      storage.shape == LatentShape(c, format: storage.shape.format), "storage of another model")
    configuration = c
    self.weights = weights
    self.storage = storage
    context = AttentionContext(c, backend: backend, storage: storage)
    buffers = ActivationBuffers(
      c, rows: rows, logitRows: logitRows, threads: backend.pool.threadCount)
    plan = ExpertPlan(
      expertCount: c.routedExpertCount, expertsPerToken: c.expertsPerToken, rows: rows)
  }

  /// The most rows of one pass, and of one call of `logits`.
  public var rowCapacity: Int { buffers.rowCapacity }
  public var logitRowCapacity: Int { buffers.logits.count }

  /// Runs the main model on a batch and stores its latents. Returns the states after the final norm
  /// [rows, hidden].
  @discardableResult
  public func forward(_ batch: ForwardBatch) -> Rows {
    check(batch)
    let rows = 0..<batch.rowCount
    let x = buffers.residual.rows(rows)
    for row in rows {
      Elementwise.decode(weights.embedding, row: Int(batch.tokens[row]), into: x, row: row)
    }
    context.embedding.fill(buffers.rotation.rows(rows), positions: batch.positions)
    for (index, layer) in weights.layers.enumerated() {
      layer.forward(x, batch: batch, index: index, context, buffers, &plan)
    }
    let hidden = buffers.hidden.rows(rows)
    context.backend.kernels.rmsNorm(
      x, weight: weights.finalNorm, epsilon: configuration.normEpsilon, into: hidden)
    rowCount = batch.rowCount
    return hidden
  }

  /// Logits [rows.count, vocabulary] of some rows of the last `forward`.
  public func logits(ofRows rows: some Collection<Int>) -> Rows {
    let gathered = buffers.normed.rows(0..<rows.count)
    for (index, row) in rows.enumerated() {
      precondition(row < rowCount, "row was not computed")
      gathered.rows(index..<index + 1).copy(from: buffers.hidden.rows(row..<row + 1))
    }
    return project(gathered, through: weights.head)
  }

  /// Runs MTP module `module` on rows whose tokens are each one ahead of its position. `hidden` is
  /// what `forward` or a former draft returned for the same rows. Returns y [rows, hidden].
  public func draft(_ batch: ForwardBatch, hidden: Rows, module: Int) -> Rows {
    check(batch)
    let output = buffers.draftHidden.rows(0..<batch.rowCount)
    weights.mtp[module].forward(
      batch: batch, hidden: hidden, layerIndex: configuration.layerCount + module, context, buffers,
      &plan, into: output)
    return output
  }

  /// Logits [hidden.count, vocabulary] of states that `draft` returned.
  public func draftLogits(_ hidden: Rows, module: Int) -> Rows {
    project(hidden, through: weights.mtp[module].head)
  }

  private func project(_ hidden: Rows, through head: MatrixView) -> Rows {
    let logits = buffers.logits.rows(0..<hidden.count)
    context.backend.linear(head, hidden, into: logits)
    return logits
  }

  private func check(_ batch: ForwardBatch) {
    precondition(batch.rowCount > 0 && batch.rowCount <= rowCapacity, "batch size")
    for token in batch.tokens {
      precondition(token >= 0 && token < configuration.vocabularySize, "token out of vocabulary")
    }
  }
}
