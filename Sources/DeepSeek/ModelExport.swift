// A model as a GGUF file of architecture `deepseek2`: which tensors it has, under which names and
// in which layout (llama.cpp, gguf-py/gguf/constants.py and conversion/deepseek.py). The key and
// value halves of kv_b are written apart and the key half transposed, ready for latent attention;
// experts are stacked; MTP modules follow the layers as further blocks.

import Compute
import Weights

/// A checkpoint, checked and laid out for writing.
public struct ModelExport {
  /// What the model is.
  public let configuration: ModelConfiguration
  /// All tensors in the order they are written. Valid while the checkpoint lives.
  public private(set) var tensors: [ExportTensor] = []
  private let checkpoint: Checkpoint
  private let type: ExportType

  /// Reads a checkpoint strictly: what is missing, misshapen or left over is an error.
  /// - Throws: `DeepSeekError` naming the configuration key, or file and tensor; also where the
  ///   file could not say what the configuration does.
  public init(_ checkpoint: Checkpoint, as type: ExportType) throws(DeepSeekError) {
    configuration = try ModelConfiguration(of: checkpoint)
    self.checkpoint = checkpoint
    self.type = type
    do throws(DeepSeekError) {
      try configuration.requireExportable()
    } catch {
      throw error.inWords(of: checkpoint.configurationSource)
    }
    do {
      try addTensors()
    } catch {
      throw .weights(error)
    }
  }

  private mutating func addTensors() throws(WeightsError) {
    let c = configuration
    try addMatrix(
      "token_embd", from: "model.embed_tokens", c.vocabularySize, c.hiddenSize,
      c.tiedEmbeddings ? .output : .embedding)
    for layer in 0..<c.layerCount {
      try addLayer(layer, isDense: layer < c.denseLayerCount, isDraft: false)
    }
    for layer in c.layerCount..<c.layerCount + c.mtpLayerCount { try addMTPModule(layer) }
    try addVector("output_norm.weight", from: "model.norm.weight", c.hiddenSize)
    if !c.tiedEmbeddings {
      try addMatrix("output", from: "lm_head", c.vocabularySize, c.hiddenSize, .output)
    }
    try checkpoint.finish {
      ModelWeights.isKnownExtra($0, tiedEmbeddings: c.tiedEmbeddings)
    }
  }

  // MARK: - Layers

  private mutating func addLayer(
    _ layer: Int, isDense: Bool, isDraft: Bool
  ) throws(WeightsError) {
    let c = configuration
    let (block, source) = ("blk.\(layer).", "model.layers.\(layer).")
    try addVector(
      block + "attn_norm.weight", from: source + "input_layernorm.weight", c.hiddenSize)
    try addAttention(block, from: source + "self_attn.", isDraft: isDraft)
    try addVector(
      block + "ffn_norm.weight", from: source + "post_attention_layernorm.weight", c.hiddenSize)
    let down: ExportType.Role =
      isDraft ? .draft : .down(layer: layer, layers: c.layerCount + c.mtpLayerCount)
    let roles = FeedForwardRoles(wide: isDraft ? .draft : .other, down: down)
    if isDense {
      try addFeedForward(block, "", from: [source + "mlp."], c.intermediateSize, roles)
    } else {
      try addMixture(block, from: source + "mlp.", roles)
    }
  }

  private mutating func addAttention(
    _ block: String, from source: String, isDraft: Bool
  ) throws(WeightsError) {
    let c = configuration
    let role: ExportType.Role = isDraft ? .draft : .other
    let queryWidth = c.headCount * (c.nopeWidth + c.ropeWidth)
    if let rank = c.queryRank {
      try addMatrix(block + "attn_q_a", from: source + "q_a_proj", rank, c.hiddenSize, role)
      try addBias(block + "attn_q_a", from: source + "q_a_proj", rank)
      try addVector(
        block + "attn_q_a_norm.weight", from: source + "q_a_layernorm.weight", rank)
      try addMatrix(block + "attn_q_b", from: source + "q_b_proj", queryWidth, rank, role)
    } else {
      try addMatrix(block + "attn_q", from: source + "q_proj", queryWidth, c.hiddenSize, role)
    }
    try addMatrix(
      block + "attn_kv_a_mqa", from: source + "kv_a_proj_with_mqa", c.latentRank + c.ropeWidth,
      c.hiddenSize, role)
    try addBias(
      block + "attn_kv_a_mqa", from: source + "kv_a_proj_with_mqa", c.latentRank + c.ropeWidth)
    try addVector(
      block + "attn_kv_a_norm.weight", from: source + "kv_a_layernorm.weight", c.latentRank)
    try addLatentHalves(block, from: source + "kv_b_proj", role)
    try addMatrix(
      block + "attn_output", from: source + "o_proj", c.hiddenSize, c.headCount * c.valueWidth,
      isDraft ? .draft : .attentionOutput(experts: c.routedExpertCount))
    try addBias(block + "attn_output", from: source + "o_proj", c.hiddenSize)
  }

  /// attn_k_b [heads, latent, nope] and attn_v_b [heads, value, latent].
  private mutating func addLatentHalves(
    _ block: String, from source: String, _ role: ExportType.Role
  ) throws(WeightsError) {
    let c = configuration
    let perHead = c.nopeWidth + c.valueWidth
    let both = try checkpoint.requireMatrix(
      source + ".weight", rows: c.headCount * perHead, columns: c.latentRank)
    add(
      block + "attn_k_b.weight", [c.headCount, c.latentRank, c.nopeWidth], role,
      .headsTransposed(both, HeadPart(rows: 0..<c.nopeWidth, of: perHead)))
    add(
      block + "attn_v_b.weight", [c.headCount, c.valueWidth, c.latentRank], role,
      .headRows(both, HeadPart(rows: c.nopeWidth..<perHead, of: perHead)))
  }

  private struct FeedForwardRoles {
    let wide: ExportType.Role
    let down: ExportType.Role
  }

  private mutating func addMixture(
    _ block: String, from source: String, _ roles: FeedForwardRoles
  ) throws(WeightsError) {
    let c = configuration
    add(
      block + "ffn_gate_inp.weight", [c.routedExpertCount, c.hiddenSize], format: .float32,
      .stacked([
        try checkpoint.requireMatrix(
          source + "gate.weight", rows: c.routedExpertCount, columns: c.hiddenSize)
      ]))
    if c.router.hasBias {
      try addVector(
        block + "exp_probs_b.bias", from: source + "gate.e_score_correction_bias",
        c.routedExpertCount)
    }
    try addFeedForward(
      block, "_exps", from: (0..<c.routedExpertCount).map { "\(source)experts.\($0)." },
      c.expertIntermediateSize, roles)
    if c.sharedExpertCount > 0 {
      try addFeedForward(
        block, "_shexp", from: [source + "shared_experts."],
        c.sharedExpertCount * c.expertIntermediateSize, roles)
    }
  }

  /// Gated units of one size: a matrix each, or with a suffix for experts a stack of three.
  private mutating func addFeedForward(
    _ block: String, _ suffix: String, from sources: [String], _ width: Int,
    _ roles: FeedForwardRoles
  ) throws(WeightsError) {
    let hidden = configuration.hiddenSize
    for (name, rows, columns, role) in [
      ("gate", width, hidden, roles.wide), ("up", width, hidden, roles.wide),
      ("down", hidden, width, roles.down),
    ] {
      var matrices: [StoredMatrix] = []
      for source in sources {
        matrices.append(
          try checkpoint.requireMatrix(
            "\(source)\(name)_proj.weight", rows: rows, columns: columns))
      }
      let stack = suffix == "_exps" ? [sources.count] : []
      add("\(block)ffn_\(name)\(suffix).weight", stack + [rows, columns], role, .stacked(matrices))
    }
  }

  // MARK: - MTP modules

  /// The module at block `layer`. Its embedding and head are written only where they differ from
  /// the main ones: readers fall back to those.
  private mutating func addMTPModule(_ layer: Int) throws(WeightsError) {
    let c = configuration
    let (block, source) = ("blk.\(layer).", "model.layers.\(layer).")
    try addLayer(layer, isDense: false, isDraft: true)
    let size = (c.vocabularySize, c.hiddenSize)
    let head = c.tiedEmbeddings ? "model.embed_tokens" : "lm_head"
    try addMatrix(
      block + "nextn.eh_proj", from: source + "eh_proj", c.hiddenSize, 2 * c.hiddenSize, .draft)
    for (name, own, main) in [
      ("embed_tokens", "embed_tokens", "model.embed_tokens"),
      ("shared_head_head", "shared_head.head", head),
    ] where checkpoint.tensor(named: "\(source)\(own).weight") != nil {
      if checkpoint.areCopies("\(source)\(own).weight", main + ".weight") {
        _ = try checkpoint.requireMatrix(
          "\(source)\(own).weight", rows: size.0, columns: size.1)
      } else {
        try addMatrix("\(block)nextn.\(name)", from: source + own, size.0, size.1, .draft)
      }
    }
    for (name, own) in [
      ("enorm", "enorm"), ("hnorm", "hnorm"), ("shared_head_norm", "shared_head.norm"),
    ] {
      try addVector("\(block)nextn.\(name).weight", from: "\(source)\(own).weight", c.hiddenSize)
    }
  }

  // MARK: - Single tensors

  /// `name`.weight [rows, columns] from `source`.weight.
  private mutating func addMatrix(
    _ name: String, from source: String, _ rows: Int, _ columns: Int, _ role: ExportType.Role
  ) throws(WeightsError) {
    let matrix = try checkpoint.requireMatrix(source + ".weight", rows: rows, columns: columns)
    add(name + ".weight", [rows, columns], role, .stacked([matrix]))
  }

  /// `name`.bias where the model's attention has biases.
  private mutating func addBias(
    _ name: String, from source: String, _ count: Int
  ) throws(WeightsError) {
    guard configuration.attentionBias else { return }
    try addVector(name + ".bias", from: source + ".bias", count)
  }

  /// A norm or bias, which stays exact.
  private mutating func addVector(
    _ name: String, from source: String, _ count: Int
  ) throws(WeightsError) {
    let row = try checkpoint.requireRow(source, count: count)
    add(name, [count], format: .float32, .stacked([row]))
  }

  private mutating func add(
    _ name: String, _ shape: [Int], _ role: ExportType.Role, _ source: RowSource
  ) {
    add(name, shape, format: type.format(role, width: shape[shape.count - 1]), source)
  }

  private mutating func add(
    _ name: String, _ shape: [Int], format: ElementFormat, _ source: RowSource
  ) {
    tensors.append(ExportTensor(name: name, shape: shape, format: format, source: source))
  }
}
