// Which metadata keys may stand in a file: those that are read, those known to decide nothing, and
// those that would change the arithmetic by any value but one. Another key of the architecture is
// refused.

extension GGUFConfiguration {
  /// Keys that are read elsewhere.
  private static let read: Set<String> = [
    "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.key_length_mla", "attention.kv_lora_rank", "attention.layer_norm_rms_epsilon",
    "attention.q_lora_rank", "attention.value_length", "attention.value_length_mla", "block_count",
    "context_length", "embedding_length", "expert_count", "expert_feed_forward_length",
    "expert_gating_func", "expert_group_count", "expert_group_used_count", "expert_shared_count",
    "expert_used_count", "expert_weights_norm", "expert_weights_scale", "feed_forward_length",
    "leading_dense_block_count", "nextn_predict_layers", "rope.dimension_count", "rope.freq_base",
    "rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.type",
    "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_log_multiplier", "vocab_size",
  ]

  /// Keys that concern training, bookkeeping or another kind of norm.
  private static let irrelevant: Set<String> = [
    "attention.layer_norm_epsilon", "attention.temperature_length", "rope.scaling.finetuned",
    "tensor_data_layout",
  ]

  /// Keys with one usable value, which says that the thing is not there.
  private static let fixed: [String: Double] = [
    "attention.sliding_window": 0, "attention.temperature_scale": 0, "attn_logit_softcapping": 0,
    "expert_group_scale": 1, "final_logit_softcapping": 0, "interleave_moe_layer_step": 1,
    "moe_every_n_layers": 1, "pooling_type": 0, "rope.scale_linear": 1,
    "rope.scaling.attn_factor": 1, "rope.scaling.yarn_attn_factor": 1,
    "rope.scaling.yarn_ext_factor": 1,
  ]

  /// The prefix of every key of the architecture is looked at; what other parts of the metadata say
  /// is for other readers.
  func checkKeys() throws(WeightsError) {
    let prefix = Self.architecture + "."
    for whole in metadata.keys where whole.hasPrefix(prefix) {
      let name = String(whole.dropFirst(prefix.count))
      if Self.read.contains(name) || Self.irrelevant.contains(name) { continue }
      if name == "attention.causal" {
        guard try metadata.bool(whole) == true else { throw failure(name, "is false") }
        continue
      }
      guard let only = Self.fixed[name] else { throw failure(name, "is unknown") }
      let found = try number(name)
      guard found == only else {
        throw failure(name, "is \(found ?? 0), but only \(only) can be used")
      }
    }
  }

  /// What the file is at all.
  func checkGeneral() throws(WeightsError) {
    let name = "general.architecture"
    guard let found = try metadata.string(name) else { throw metadata.failure(name, "is missing") }
    guard found == Self.architecture else {
      throw metadata.failure(
        name, "is \"\(found.prefix(100))\", but only \(Self.architecture) can be used")
    }
    if let type = try metadata.string("general.type"), type != "model" {
      throw metadata.failure("general.type", "is \"\(type.prefix(100))\" instead of \"model\"")
    }
    // Blocks changed their layout with versions 1 and 2.
    let version = "general.quantization_version"
    if hasQuantisedTensors, let found = try metadata.integer(version), found != 2 {
      throw metadata.failure(version, "is \(found), but only 2 can be used")
    }
  }
}
