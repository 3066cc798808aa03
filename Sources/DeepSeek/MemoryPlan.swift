// What a model will take, before anything is taken.

import Compute

/// The memory of one model as a sum of named contributions, in bytes.
public struct MemoryPlan: Sendable, Equatable {
  /// The packed matrices, and the embedding in its file.
  public let weights: Int
  /// The latent pool.
  public let latents: Int
  /// Activations of the largest step, and of sampling.
  public let scratch: Int

  /// All contributions.
  public var total: Int { weights + latents + scratch }

  /// A logit and a candidate's number, per token of the vocabulary.
  private static let samplingBytes = 2 * MemoryLayout<Float>.stride

  /// - Parameters:
  ///   - weights: `ModelWeights.byteCount`.
  ///   - latents: what a token leaves behind.
  ///   - pageCount: pages of the latent pool.
  ///   - sequences: the most that run side by side; each keeps adjusted logits and candidates.
  ///   - decodeRows, prefillRows, logitRows, threads: as for `DeepSeekModel`.
  ///   - promptAttention: as for `ModelWeights`.
  public init(
    _ configuration: ModelConfiguration, weights: Int, latents: LatentShape, pageCount: Int,
    sequences: Int, decodeRows: Int, prefillRows: Int, logitRows: Int, threads: Int,
    promptAttention: PromptAttention
  ) {
    self.weights = weights
    self.latents = latents.bytesPerPage * pageCount
    scratch =
      ActivationBuffers(
        configuration, decodeRows: decodeRows, prefillRows: prefillRows, logitRows: logitRows,
        threads: threads, expanding: promptAttention == .expanded ? latents.format : nil,
        arena: ScratchArena(allocating: false)
      ).arena.byteCount + sequences * configuration.vocabularySize * Self.samplingBytes
  }
}
