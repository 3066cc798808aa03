// From checkpoint to the weights of each part: every name and shape of the published layout.

import Compute
import Weights

/// All weights of a model, as they are stored. The checkpoint stays mapped as long as this lives.
public struct ModelWeights: Sendable {
  /// What the checkpoint is.
  public let configuration: ModelConfiguration
  let checkpoint: Checkpoint
  let embedding: MatrixView
  let layers: [DecoderLayer]
  let finalNorm: Vector
  let head: MatrixView
  let mtp: [MTPModule]

  /// Reads a checkpoint strictly: what is missing, misshapen or left over is an error.
  /// - Throws: `DeepSeekError` naming the configuration key, or file and tensor.
  public init(_ checkpoint: Checkpoint) throws(DeepSeekError) {
    let configuration = try ModelConfiguration(checkpoint.configuration)
    do {
      try self.init(checkpoint, configuration)
    } catch {
      throw .weights(error)
    }
  }

  private init(_ checkpoint: Checkpoint, _ c: ModelConfiguration) throws(WeightsError) {
    let loader = WeightLoader(checkpoint: checkpoint, configuration: c)
    let size = (c.vocabularySize, c.hiddenSize)
    embedding = try loader.matrix("model.embed_tokens", size.0, size.1)
    var layers: [DecoderLayer] = []
    for index in 0..<c.layerCount {
      layers.append(try loader.layer(index, isDense: index < c.denseLayerCount))
    }
    self.layers = layers
    finalNorm = try loader.vector("model.norm.weight", c.hiddenSize)
    head = c.tiedEmbeddings ? embedding : try loader.matrix("lm_head", size.0, size.1)
    var mtp: [MTPModule] = []
    for index in 0..<c.mtpLayerCount {
      mtp.append(try loader.mtpModule(c.layerCount + index, embedding: embedding, head: head))
    }
    self.mtp = mtp
    self.checkpoint = checkpoint
    configuration = c
    try checkpoint.finish { Self.isKnownExtra($0, tiedEmbeddings: c.tiedEmbeddings) }
  }

  /// Tensors that some checkpoints carry and no computation needs: rope frequencies of old exports,
  /// and a copy of a tied head.
  static func isKnownExtra(_ name: String, tiedEmbeddings: Bool) -> Bool {
    name.hasSuffix(".rotary_emb.inv_freq") || (tiedEmbeddings && name == "lm_head.weight")
  }
}

private struct WeightLoader {
  let checkpoint: Checkpoint
  let configuration: ModelConfiguration

  /// `name`.weight as a matrix in its stored format, with its block scales where it is float8.
  func matrix(_ name: String, _ rows: Int, _ columns: Int) throws(WeightsError) -> MatrixView {
    try checkpoint.requireMatrix(name + ".weight", rows: rows, columns: columns)
  }

  /// A vector as float32.
  func vector(_ name: String, _ count: Int) throws(WeightsError) -> Vector {
    try checkpoint.requireVector(name, count: count)
  }

  func layer(_ index: Int, isDense: Bool) throws(WeightsError) -> DecoderLayer {
    let c = configuration
    let prefix = "model.layers.\(index)."
    return DecoderLayer(
      inputNorm: try vector(prefix + "input_layernorm.weight", c.hiddenSize),
      attention: try attention(prefix + "self_attn."),
      postAttentionNorm: try vector(prefix + "post_attention_layernorm.weight", c.hiddenSize),
      feedForward: isDense
        ? .dense(try feedForward(prefix + "mlp.", c.intermediateSize))
        : .mixture(try mixture(prefix + "mlp.")),
      epsilon: c.normEpsilon)
  }

  func attention(_ prefix: String) throws(WeightsError) -> LatentAttention {
    let c = configuration
    let (hidden, queryWidth) = (c.hiddenSize, c.headCount * (c.nopeWidth + c.ropeWidth))
    func bias(_ name: String, _ count: Int) throws(WeightsError) -> Vector? {
      c.attentionBias ? try vector(prefix + name + ".bias", count) : nil
    }
    let query: LatentAttention.QueryProjection
    if let rank = c.queryRank {
      query = .lowRank(
        down: try matrix(prefix + "q_a_proj", rank, hidden),
        bias: try bias("q_a_proj", rank),
        norm: try vector(prefix + "q_a_layernorm.weight", rank),
        up: try matrix(prefix + "q_b_proj", queryWidth, rank))
    } else {
      query = .direct(try matrix(prefix + "q_proj", queryWidth, hidden))
    }
    let latentWidth = c.latentRank + c.ropeWidth
    return LatentAttention(
      query: query,
      latentDown: try matrix(prefix + "kv_a_proj_with_mqa", latentWidth, hidden),
      latentBias: try bias("kv_a_proj_with_mqa", latentWidth),
      latentNorm: try vector(prefix + "kv_a_layernorm.weight", c.latentRank),
      latentUp: try matrix(
        prefix + "kv_b_proj", c.headCount * (c.nopeWidth + c.valueWidth), c.latentRank),
      output: try matrix(prefix + "o_proj", hidden, c.headCount * c.valueWidth),
      outputBias: try bias("o_proj", hidden))
  }

  func feedForward(_ prefix: String, _ intermediate: Int) throws(WeightsError) -> FeedForward {
    let hidden = configuration.hiddenSize
    return FeedForward(
      gate: try matrix(prefix + "gate_proj", intermediate, hidden),
      up: try matrix(prefix + "up_proj", intermediate, hidden),
      down: try matrix(prefix + "down_proj", hidden, intermediate))
  }

  func mixture(_ prefix: String) throws(WeightsError) -> MixtureOfExperts {
    let c = configuration
    var experts: [FeedForward] = []
    for expert in 0..<c.routedExpertCount {
      experts.append(try feedForward("\(prefix)experts.\(expert).", c.expertIntermediateSize))
    }
    let bias =
      c.router.hasBias
      ? try vector(prefix + "gate.e_score_correction_bias", c.routedExpertCount) : nil
    let shared =
      c.sharedExpertCount > 0
      ? try feedForward(
        prefix + "shared_experts.", c.expertIntermediateSize * c.sharedExpertCount) : nil
    return MixtureOfExperts(
      gate: try matrix(prefix + "gate", c.routedExpertCount, c.hiddenSize),
      router: Router(c.router, bias: bias), experts: experts, shared: shared)
  }

  /// The module at layer `index`. Embedding and head are copies of the main ones in the released
  /// checkpoints and may be left out.
  func mtpModule(
    _ index: Int, embedding: MatrixView, head: MatrixView
  ) throws(WeightsError) -> MTPModule {
    let c = configuration
    let prefix = "model.layers.\(index)."
    func shared(_ name: String, else main: MatrixView) throws(WeightsError) -> MatrixView {
      checkpoint.tensor(named: prefix + name + ".weight") != nil
        ? try matrix(prefix + name, c.vocabularySize, c.hiddenSize) : main
    }
    return MTPModule(
      embedding: try shared("embed_tokens", else: embedding),
      embeddingNorm: try vector(prefix + "enorm.weight", c.hiddenSize),
      hiddenNorm: try vector(prefix + "hnorm.weight", c.hiddenSize),
      projection: try matrix(prefix + "eh_proj", c.hiddenSize, 2 * c.hiddenSize),
      layer: try layer(index, isDense: false),
      outputNorm: try vector(prefix + "shared_head.norm.weight", c.hiddenSize),
      head: try shared("shared_head.head", else: head))
  }
}
