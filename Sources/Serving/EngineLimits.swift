// Every limit of the engine, in one place.

import DeepSeek

/// What an engine may use. Checked against each other when it is made.
public struct EngineLimits: Sendable, Equatable {
  /// Sequences that are computed side by side.
  public var maxSequences: Int
  /// Sequences that wait for their turn; more are refused.
  public var queueLength: Int
  /// Rows of prompts in one step.
  public var prefillChunk: Int
  /// Positions of one sequence, prompt and answer together.
  public var contextLength: Int
  /// Pages of the latent pool.
  public var pageCount: Int

  /// All are positive, and a sequence of `contextLength` fits the pool.
  public init(
    maxSequences: Int, queueLength: Int, prefillChunk: Int, contextLength: Int, pageCount: Int
  ) {
    precondition(maxSequences > 0 && queueLength > 0 && prefillChunk > 0, "limits are positive")
    precondition(pageCount > 0, "an empty pool serves nobody")
    precondition(
      contextLength > 0 && contextLength <= pageCount * LatentStorage.tokensPerPage,
      "a sequence of full length fits the pool")
    self.maxSequences = maxSequences
    self.queueLength = queueLength
    self.prefillChunk = prefillChunk
    self.contextLength = contextLength
    self.pageCount = pageCount
  }

  /// Rows of the largest step: a chunk of prompts and a row for everybody else.
  public var rowsPerStep: Int { prefillChunk + maxSequences }
}
