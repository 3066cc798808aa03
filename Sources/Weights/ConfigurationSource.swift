// Which file a configuration came from and what keys and tensors are called there, so that a
// message names what its reader finds.

import JSON

/// A file that says what a model is.
public struct ConfigurationSource: Sendable, Equatable {
  /// The file's name, without its folder.
  public let file: String
  /// By key of config.json; what is not listed has the same name.
  private let names: [String: String]
  private let isGGUF: Bool

  /// A file whose keys are those of the configuration.
  static let directory = ConfigurationSource(file: "config.json", names: [:], isGGUF: false)

  private init(file: String, names: [String: String], isGGUF: Bool) {
    self.file = file
    self.names = names
    self.isGGUF = isGGUF
  }

  /// - Parameter names: by key of config.json.
  init(gguf file: String, names: [String: String]) {
    self.init(file: file, names: names, isGGUF: true)
  }

  /// What the file calls a key of config.json, which has a dot before keys of inner objects.
  public func name(of key: String) -> String { names[key] ?? key }

  /// What the file calls a tensor of the published layout, or would call it.
  public func tensorName(of name: String) -> String {
    isGGUF ? GGUFTensorRole.name(of: name) : name
  }
}

extension GGUFConfiguration {
  /// Keys of config.json and the metadata that they were made of.
  var source: ConfigurationSource {
    var names = Self.names.mapValues(key)
    // The keys that say the width of a head's keys and values, if there are two.
    for (name, plain) in [
      ("qk_nope_head_dim", "attention.key_length"), ("v_head_dim", "attention.value_length"),
    ] {
      let latent = key(plain + "_mla")
      names[name] = metadata.keys.contains(latent) ? latent : key(plain)
    }
    names["bos_token_id"] = "tokenizer.ggml.bos_token_id"
    names["eos_token_id"] = "tokenizer.ggml.eos_token_id"
    return ConfigurationSource(gguf: metadata.file, names: names)
  }

  private static let names = [
    "first_k_dense_replace": "leading_dense_block_count", "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length", "kv_lora_rank": "attention.kv_lora_rank",
    "max_position_embeddings": "context_length",
    "moe_intermediate_size": "expert_feed_forward_length", "n_group": "expert_group_count",
    "n_routed_experts": "expert_count", "n_shared_experts": "expert_shared_count",
    "norm_topk_prob": "expert_weights_norm", "num_attention_heads": "attention.head_count",
    "num_experts_per_tok": "expert_used_count", "num_hidden_layers": "block_count",
    "num_nextn_predict_layers": "nextn_predict_layers", "q_lora_rank": "attention.q_lora_rank",
    "qk_rope_head_dim": "rope.dimension_count", "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_scaling.attention_factor": "rope.scaling.yarn_log_multiplier",
    "rope_scaling.beta_fast": "rope.scaling.yarn_beta_fast",
    "rope_scaling.beta_slow": "rope.scaling.yarn_beta_slow",
    "rope_scaling.factor": "rope.scaling.factor",
    "rope_scaling.mscale": "rope.scaling.yarn_log_multiplier",
    "rope_scaling.mscale_all_dim": "rope.scaling.yarn_log_multiplier",
    "rope_scaling.original_max_position_embeddings": "rope.scaling.original_context_length",
    "rope_scaling.type": "rope.scaling.type", "rope_theta": "rope.freq_base",
    "routed_scaling_factor": "expert_weights_scale", "scoring_func": "expert_gating_func",
    "topk_group": "expert_group_used_count", "topk_method": "expert_gating_func",
    "vocab_size": "vocab_size",
  ]
}
