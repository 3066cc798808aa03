// From checkpoint to the weights of each part: every name and shape of the published layout.

import Compute
import Weights

/// All weights of a model, checked against its configuration: planned, or packed in memory of
/// their own. The checkpoint stays mapped as long as this lives: embeddings are read from it.
public struct ModelWeights: Sendable {
  /// What the checkpoint is.
  public let configuration: ModelConfiguration
  /// The form that prompts are computed in.
  public let promptAttention: PromptAttention
  /// What all packed matrices take.
  public let packedByteCount: Int
  let checkpoint: Checkpoint
  let embedding: StoredMatrix
  let layers: [DecoderLayer]
  let finalNorm: Vector
  let head: PackedMatrix
  let mtp: [MTPModule]
  private let packer: WeightPacker
  private let memory: LargeMemory?

  /// Plans a checkpoint strictly: what is missing, misshapen or left over is an error.
  /// - Parameter promptAttention: the expanded form takes a second copy of the keys' matrices.
  /// - Throws: `DeepSeekError` naming the configuration key, or file and tensor.
  public init(
    _ checkpoint: Checkpoint, promptAttention: PromptAttention = .absorbed
  ) throws(DeepSeekError) {
    let configuration = try ModelConfiguration(of: checkpoint)
    do {
      try self.init(
        checkpoint, configuration, promptAttention, WeightPacker(memory: nil), memory: nil)
    } catch {
      throw .weights(error)
    }
  }

  /// What the model takes: the packed matrices, and the embedding, which is read where the file is
  /// mapped.
  public var byteCount: Int {
    packedByteCount + embedding.byteCount
  }

  /// Whether products can be computed.
  var isPacked: Bool { memory != nil }

  /// The cache of these weights' packed form, in a file of that name.
  public func cache(at path: String) -> PackedCache {
    PackedCache(path: path, checkpoint: checkpoint, packer: packer)
  }

  /// Where weights come from.
  public enum PackingSource: Sendable {
    /// The checkpoint.
    case checkpoint
    /// What was packed before, copied.
    case cache(PackedCache)
    /// The same where it lies.
    case mapped(PackedCache)
  }

  /// The same weights, packed.
  /// - Parameter progress: called now and then with the bytes that are packed, out of
  ///   `packedByteCount`.
  /// - Throws: `DeepSeekError` when the system does not give the memory, or a cache does not fit.
  public func packed(
    on pool: WorkerPool, from source: PackingSource = .checkpoint,
    progress: (Int) -> Void = { _ in }
  ) throws(DeepSeekError) -> ModelWeights {
    let memory = try memory(from: source)
    let weights: ModelWeights
    do {
      weights = try ModelWeights(
        checkpoint, configuration, promptAttention, WeightPacker(memory: memory), memory: memory)
    } catch {
      throw .weights(error)
    }
    switch source {
    case .checkpoint:
      weights.packer.settle(on: pool)
      weights.packer.pack(on: pool, progress: progress)
    case .cache(let cache):
      weights.packer.settle(on: pool)
      do { try cache.load(into: memory, on: pool, progress: progress) } catch {
        throw .cache(error)
      }
    case .mapped:
      progress(packedByteCount)
    }
    return weights
  }

  private func memory(from source: PackingSource) throws(DeepSeekError) -> LargeMemory {
    if case .mapped(let cache) = source {
      do { return try cache.map() } catch { throw .cache(error) }
    }
    do { return try LargeMemory(byteCount: packedByteCount) } catch {
      throw .weights(.platform(error))
    }
  }

  /// Writes what is packed into a cache.
  public func save(
    to cache: PackedCache, on pool: WorkerPool, progress: (Int) -> Void = { _ in }
  ) throws(DeepSeekError) {
    guard let memory else { preconditionFailure("weights are only planned") }
    do { try cache.save(memory, on: pool, progress: progress) } catch { throw .cache(error) }
  }

  private init(
    _ checkpoint: Checkpoint, _ c: ModelConfiguration, _ promptAttention: PromptAttention,
    _ packer: WeightPacker, memory: LargeMemory?
  ) throws(WeightsError) {
    self.promptAttention = promptAttention
    let loader = WeightLoader(
      checkpoint: checkpoint, configuration: c, packer: packer)
    let size = (c.vocabularySize, c.hiddenSize)
    embedding = try loader.stored("model.embed_tokens", size.0, size.1)
    var layers: [DecoderLayer] = []
    for index in 0..<c.layerCount {
      layers.append(
        try loader.layer(index, isDense: index < c.denseLayerCount, promptAttention))
    }
    self.layers = layers
    finalNorm = try loader.vector("model.norm.weight", c.hiddenSize)
    head = packer.place(
      c.tiedEmbeddings ? embedding : try loader.stored("lm_head", size.0, size.1))
    var mtp: [MTPModule] = []
    for index in 0..<c.mtpLayerCount {
      mtp.append(try loader.mtpModule(c.layerCount + index, embedding: embedding, head: head))
    }
    self.mtp = mtp
    self.checkpoint = checkpoint
    self.memory = memory
    self.packer = packer
    packedByteCount = packer.byteCount
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
  let packer: WeightPacker

  /// `name`.weight in its stored format, with its block scales where it is float8.
  func stored(_ name: String, _ rows: Int, _ columns: Int) throws(WeightsError) -> StoredMatrix {
    try checkpoint.requireMatrix(name + ".weight", rows: rows, columns: columns)
  }

  /// The same in panels.
  func matrix(_ name: String, _ rows: Int, _ columns: Int) throws(WeightsError) -> PackedMatrix {
    packer.place(try stored(name, rows, columns))
  }

  /// A vector as float32.
  func vector(_ name: String, _ count: Int) throws(WeightsError) -> Vector {
    try checkpoint.requireVector(name, count: count)
  }

  func layer(
    _ index: Int, isDense: Bool, _ promptAttention: PromptAttention
  ) throws(WeightsError) -> DecoderLayer {
    let c = configuration
    let prefix = "model.layers.\(index)."
    return DecoderLayer(
      inputNorm: try vector(prefix + "input_layernorm.weight", c.hiddenSize),
      attention: try attention(prefix + "self_attn.", promptAttention),
      postAttentionNorm: try vector(prefix + "post_attention_layernorm.weight", c.hiddenSize),
      feedForward: isDense
        ? .dense(DenseFeedForward(unit: try feedForward(prefix + "mlp.", c.intermediateSize)))
        : .mixture(try mixture(prefix + "mlp.")),
      epsilon: c.normEpsilon)
  }

  func attention(
    _ prefix: String, _ promptAttention: PromptAttention
  ) throws(WeightsError) -> LatentAttention {
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
    let (keys, values, expandedKeys) = try headMatrices(prefix, promptAttention)
    return LatentAttention(
      query: query,
      latentDown: try matrix(prefix + "kv_a_proj_with_mqa", latentWidth, hidden),
      latentBias: try bias("kv_a_proj_with_mqa", latentWidth),
      latentNorm: try vector(prefix + "kv_a_layernorm.weight", c.latentRank),
      keys: keys, values: values, expandedKeys: expandedKeys,
      output: try matrix(prefix + "o_proj", hidden, c.headCount * c.valueWidth),
      outputBias: try bias("o_proj", hidden))
  }

  /// Per head W_UK^T [latentRank, nope] and W_UV [value, latentRank]: kv_b_proj of the published
  /// layout has W_UK above W_UV for each head; files that were split for absorption have W_UK^T of
  /// all heads in k_b_proj and W_UV in v_b_proj. For the expanded form W_UK, too.
  func headMatrices(
    _ prefix: String, _ promptAttention: PromptAttention
  ) throws(WeightsError) -> (
    keys: [PackedMatrix], values: [PackedMatrix], expandedKeys: [PackedMatrix]?
  ) {
    let c = configuration
    let (heads, nope, value, rank) = (c.headCount, c.nopeWidth, c.valueWidth, c.latentRank)
    let isExpanded = promptAttention == .expanded
    if checkpoint.tensor(named: prefix + "k_b_proj.weight") != nil {
      let keys = try stored(prefix + "k_b_proj", heads * rank, nope)
      let values = try stored(prefix + "v_b_proj", heads * value, rank)
      let parts = (0..<heads).map { keys.rows($0 * rank..<($0 + 1) * rank) }
      return (
        parts.map { packer.place($0) },
        (0..<heads).map { packer.place(values.rows($0 * value..<($0 + 1) * value)) },
        isExpanded ? parts.map { packer.place(transposed: $0, isRounded: true) } : nil
      )
    }
    let both = try stored(prefix + "kv_b_proj", heads * (nope + value), rank)
    let firsts = (0..<heads).map { $0 * (nope + value) }
    return (
      firsts.map { packer.place(transposed: both.rows($0..<$0 + nope)) },
      firsts.map { packer.place(both.rows($0 + nope..<$0 + nope + value)) },
      isExpanded ? firsts.map { packer.place(both.rows($0..<$0 + nope)) } : nil
    )
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
      try checkFormats(of: experts[expert], as: experts[0], "\(prefix)experts.\(expert).")
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

  /// Rows of all experts are encoded together.
  private func checkFormats(
    of expert: FeedForward, as first: FeedForward, _ prefix: String
  ) throws(WeightsError) {
    let parts: [(String, PackedMatrix, PackedMatrix)] = [
      ("gate_proj", expert.gate, first.gate), ("up_proj", expert.up, first.up),
      ("down_proj", expert.down, first.down),
    ]
    for (name, matrix, expected) in parts where matrix.format != expected.format {
      let tensor = checkpoint.tensor(named: prefix + name + ".weight")
      throw .wrongFormat(
        file: tensor?.file ?? "", tensor: tensor?.storedName ?? prefix + name,
        found: matrix.format.rawValue, expected: [expected.format])
    }
  }

  /// The module at layer `index`. Embedding and head are copies of the main ones in the released
  /// checkpoints and may be left out.
  func mtpModule(
    _ index: Int, embedding: StoredMatrix, head: PackedMatrix
  ) throws(WeightsError) -> MTPModule {
    let c = configuration
    let prefix = "model.layers.\(index)."
    func copy(_ name: String) throws(WeightsError) -> StoredMatrix? {
      checkpoint.tensor(named: prefix + name + ".weight") != nil
        ? try stored(prefix + name, c.vocabularySize, c.hiddenSize) : nil
    }
    return MTPModule(
      embedding: try copy("embed_tokens") ?? embedding,
      embeddingNorm: try vector(prefix + "enorm.weight", c.hiddenSize),
      hiddenNorm: try vector(prefix + "hnorm.weight", c.hiddenSize),
      projection: try matrix(prefix + "eh_proj", c.hiddenSize, 2 * c.hiddenSize),
      layer: try layer(index, isDense: false, .absorbed),
      outputNorm: try vector(prefix + "shared_head.norm.weight", c.hiddenSize),
      head: try copy("shared_head.head").map { packer.place($0) } ?? head)
  }
}
