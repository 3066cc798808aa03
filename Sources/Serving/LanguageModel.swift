// What the engine needs of a model.

import Compute
import DeepSeek

/// A model that computes batches of rows. Called from the engine's thread alone; results stay valid
/// until the next call.
public protocol LanguageModel: Sendable {
  /// The most rows of one call of `forward` and of `logits`.
  var rowCapacity: Int { get }
  var logitRowCapacity: Int { get }

  /// Computes the rows and stores their latents.
  @discardableResult
  func forward(_ batch: ForwardBatch) -> Rows

  /// Logits [rows.count, vocabulary] of some rows of the last batch.
  func logits(ofRows rows: some Collection<Int>) -> Rows
}

extension DeepSeekModel: LanguageModel {}
