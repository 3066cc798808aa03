// From config.json of a Hugging Face checkpoint to a validated configuration: released files and
// those that the transformers library (5.23) writes. Whatever the numbers in the file, the result
// keeps ConfigurationLimits or is an error naming the key.

import JSON
import Weights

extension ModelConfiguration {
  /// Reads and checks what a checkpoint's file says.
  /// - Throws: `DeepSeekError.configuration` with the file, and the first key that cannot be used
  ///   as the file calls it.
  public init(of checkpoint: Checkpoint) throws(DeepSeekError) {
    do throws(DeepSeekError) {
      try self.init(checkpoint.configuration)
    } catch {
      throw error.inWords(of: checkpoint.configurationSource)
    }
  }

  /// Reads and checks a configuration.
  /// - Throws: `DeepSeekError.configuration` with the first key that cannot be used.
  public init(_ json: JSONValue) throws(DeepSeekError) {
    let fields = try ConfigurationFields(json)
    let family = try ModelFamily(fields)
    try fields.requireKnown(
      ConfigurationKeys.read, ConfigurationKeys.irrelevant, ConfigurationKeys.generic)
    try Self.checkFixedKeys(fields)
    let limits = ConfigurationLimits.self
    vocabularySize = try fields.integer("vocab_size", in: limits.vocabulary)
    hiddenSize = try fields.integer("hidden_size", in: limits.width)
    layerCount = try fields.integer("num_hidden_layers", in: limits.layers)
    headCount = try fields.integer("num_attention_heads", in: limits.heads)
    guard fields.object["q_lora_rank"] != nil else {
      throw fields.failure("q_lora_rank", "is missing (null projects queries directly)")
    }
    queryRank = try fields.optionalInteger("q_lora_rank", in: limits.width)
    latentRank = try fields.integer("kv_lora_rank", in: limits.headWidth)
    nopeWidth = try fields.integer("qk_nope_head_dim", in: limits.headWidth)
    ropeWidth = try fields.integer("qk_rope_head_dim", in: limits.headWidth)
    valueWidth = try fields.integer("v_head_dim", in: limits.headWidth)
    attentionBias = try fields.boolean("attention_bias", default: false)
    intermediateSize = try fields.integer("intermediate_size", in: limits.width)
    expertIntermediateSize = try fields.integer("moe_intermediate_size", in: limits.width)
    routedExpertCount = try fields.integer("n_routed_experts", in: limits.experts)
    sharedExpertCount =
      try fields.optionalInteger("n_shared_experts", in: limits.sharedExperts) ?? 0
    denseLayerCount = min(
      try fields.integer("first_k_dense_replace", in: 0...limits.layers.upperBound), layerCount)
    router = try RouterConfiguration(fields, family, experts: routedExpertCount)
    mtpLayerCount =
      try fields.optionalInteger("num_nextn_predict_layers", in: limits.mtpLayers) ?? 0
    rope = try RopeConfiguration(fields, family)
    normEpsilon = Float(try fields.number("rms_norm_eps", in: 1e-12...1))
    tiedEmbeddings = try fields.boolean("tie_word_embeddings", default: false)
    maxPositions = try fields.integer("max_position_embeddings", in: limits.positions)
    let token = 0...(vocabularySize - 1)
    beginToken = try fields.optionalInteger("bos_token_id", in: token).map { Int32($0) }
    endTokens = try Self.endTokens(fields, in: token)
    try checkDerivedKeys(fields)
  }

  /// Keys with one usable value: another would ask for arithmetic that this model does not have.
  private static func checkFixedKeys(_ fields: ConfigurationFields) throws(DeepSeekError) {
    try fields.require("hidden_act", only: "silu")
    try fields.require("moe_layer_freq", only: 1)
    try fields.require("mlp_bias", only: false)
    guard let value = fields["quantization_config"] else { return }
    let quantization = try ConfigurationFields(value, path: "quantization_config.")
    try quantization.requireKnown(ConfigurationKeys.quantization)
    try quantization.choice("quant_method", default: nil, ["fp8": ()])
    try quantization.require("fmt", only: "e4m3")
    try quantization.require("activation_scheme", only: "dynamic")
    try quantization.require("expert_dtype", only: "fp8")
    // Powers of two in "ue8m0", but stored as float32 like any others.
    try quantization.choice("scale_fmt", default: (), ["float": (), "ue8m0": ()])
    guard quantization["weight_block_size"] != nil else {
      throw quantization.failure("weight_block_size", "is missing")
    }
  }

  /// Keys that repeat what others say.
  private func checkDerivedKeys(_ fields: ConfigurationFields) throws(DeepSeekError) {
    guard ropeWidth.isMultiple(of: 2) else {
      throw fields.failure("qk_rope_head_dim", "is odd, but positions rotate pairs")
    }
    try fields.require("num_key_value_heads", only: .integer(headCount))
    try fields.require("head_dim", only: .integer(ropeWidth))
    try fields.require("qk_head_dim", only: .integer(nopeWidth + ropeWidth))
  }

  /// `eos_token_id`: absent, one or a list.
  private static func endTokens(
    _ fields: ConfigurationFields, in range: ClosedRange<Int>
  ) throws(DeepSeekError) -> [Int32] {
    let key = "eos_token_id"
    guard let list = fields[key]?.arrayValue else {
      return try fields.optionalInteger(key, in: range).map { [Int32($0)] } ?? []
    }
    guard list.count <= ConfigurationLimits.endTokens else {
      throw fields.failure(key, "has more than \(ConfigurationLimits.endTokens) tokens")
    }
    var tokens: [Int32] = []
    for element in list {
      guard case .integer(let token) = element, range ~= token else {
        throw fields.failure(key, "has an element that is no token of the vocabulary")
      }
      tokens.append(Int32(token))
    }
    return tokens
  }
}

/// The two architectures. They differ in which router they may have, and in nothing else.
enum ModelFamily {
  case deepSeekV2
  case deepSeekV3

  init(_ fields: ConfigurationFields) throws(DeepSeekError) {
    guard let names = fields["architectures"]?.arrayValue, names.count == 1 else {
      throw fields.failure("architectures", "is not a list of one name")
    }
    let named = try ConfigurationFields(["architectures": names[0]])
    self = try named.choice(
      "architectures", default: nil,
      ["DeepseekV2ForCausalLM": .deepSeekV2, "DeepseekV3ForCausalLM": .deepSeekV3])
    switch self {
    case .deepSeekV2: try fields.require("model_type", only: "deepseek_v2")
    case .deepSeekV3:
      try fields.choice("model_type", default: (), ["deepseek_v3": (), "kimi_k2": ()])
    }
  }
}
