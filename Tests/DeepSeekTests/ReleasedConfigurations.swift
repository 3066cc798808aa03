// config.json of released models, as published and as the transformers library writes them again.

import JSON

extension JSONValue {
  /// A copy of an object with members replaced or added.
  func with(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    var object = objectValue ?? JSONObject()
    for (key, value) in members { object[key] = value }
    return .object(object)
  }

  /// A copy of an object without some members.
  func without(_ keys: String...) -> JSONValue {
    var object = JSONObject()
    for (key, value) in (objectValue ?? JSONObject()).members where !keys.contains(key) {
      object[key] = value
    }
    return .object(object)
  }
}

enum Released {
  /// What all of them share.
  private static let common: JSONValue = [
    "attention_bias": false, "attention_dropout": 0.0, "aux_loss_alpha": 0.001, "bos_token_id": 0,
    "eos_token_id": 1, "ep_size": 1, "hidden_act": "silu", "initializer_range": 0.02,
    "kv_lora_rank": 512, "moe_layer_freq": 1, "pretraining_tp": 1, "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06, "rope_theta": 10000, "seq_aux": true,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.33.1",
    "use_cache": true, "v_head_dim": 128,
  ]

  private static func autoMap(_ file: String, _ prefix: String) -> JSONValue {
    [
      "AutoConfig": .string("configuration_\(file).\(prefix)Config"),
      "AutoModel": .string("modeling_\(file).\(prefix)Model"),
      "AutoModelForCausalLM": .string("modeling_\(file).\(prefix)ForCausalLM"),
    ]
  }

  private static func yarn(mscale: Double) -> JSONValue {
    [
      "beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": .double(mscale),
      "mscale_all_dim": .double(mscale), "original_max_position_embeddings": 4096, "type": "yarn",
    ]
  }

  /// DeepSeek-V3, V3-0324 and R1.
  static let v3 = common.with([
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
    "auto_map": autoMap("deepseek", "DeepseekV3"), "first_k_dense_replace": 3,
    "hidden_size": 7168, "intermediate_size": 18432, "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048, "n_group": 8, "n_routed_experts": 256, "n_shared_experts": 1,
    "norm_topk_prob": true, "num_attention_heads": 128, "num_experts_per_tok": 8,
    "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
    "topk_group": 4, "topk_method": "noaux_tc", "vocab_size": 129280,
    "rope_scaling": yarn(mscale: 1),
    "quantization_config": [
      "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
      "weight_block_size": [128, 128],
    ],
  ])

  static let v31 = v3.with([
    "transformers_version": "4.44.2",
    "quantization_config": [
      "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "scale_fmt": "ue8m0",
      "weight_block_size": [128, 128],
    ],
  ])

  static let v2 = common.with([
    "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2",
    "auto_map": autoMap("deepseek", "DeepseekV2"), "bos_token_id": 100000,
    "eos_token_id": 100001, "first_k_dense_replace": 1, "hidden_size": 5120,
    "intermediate_size": 12288, "max_position_embeddings": 163840, "moe_intermediate_size": 1536,
    "n_group": 8, "n_routed_experts": 160, "n_shared_experts": 2, "norm_topk_prob": false,
    "num_attention_heads": 128, "num_experts_per_tok": 6, "num_hidden_layers": 60,
    "num_key_value_heads": 128, "q_lora_rank": 1536, "routed_scaling_factor": 16.0,
    "scoring_func": "softmax", "topk_group": 3, "topk_method": "group_limited_greedy",
    "vocab_size": 102400, "rope_scaling": yarn(mscale: 0.707),
  ])

  static let v2Lite = v2.with([
    "hidden_size": 2048, "intermediate_size": 10944, "moe_intermediate_size": 1408, "n_group": 1,
    "n_routed_experts": 64, "num_attention_heads": 16, "num_hidden_layers": 27,
    "num_key_value_heads": 16, "q_lora_rank": nil, "routed_scaling_factor": 1.0, "topk_group": 1,
    "topk_method": "greedy",
  ])

  /// Moonlight-16B-A3B.
  static let moonlight = common.with([
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
    "bos_token_id": 163584, "eos_token_id": 163585, "first_k_dense_replace": 1,
    "hidden_size": 2048, "intermediate_size": 11264, "max_position_embeddings": 8192,
    "moe_intermediate_size": 1408, "n_group": 1, "n_routed_experts": 64, "n_shared_experts": 2,
    "norm_topk_prob": true, "num_attention_heads": 16, "num_experts_per_tok": 6,
    "num_hidden_layers": 27, "num_key_value_heads": 16, "num_nextn_predict_layers": 0,
    "q_lora_rank": nil, "rope_theta": 50000.0, "rope_scaling": nil,
    "routed_scaling_factor": 2.446, "scoring_func": "sigmoid", "topk_group": 1,
    "topk_method": "noaux_tc", "vocab_size": 163840,
  ])

  /// V3 as transformers 5.23 saves it: no router names, one object for rope.
  static let v3Saved = v3.without(
    "aux_loss_alpha", "auto_map", "ep_size", "moe_layer_freq", "quantization_config",
    "rope_scaling", "rope_theta", "scoring_func", "seq_aux", "topk_method", "torch_dtype"
  ).with([
    "dtype": "bfloat16", "head_dim": 64, "output_router_logits": false, "pad_token_id": nil,
    "qk_head_dim": 192, "rope_interleave": true, "transformers_version": "5.23.0",
    "rope_parameters": [
      "beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
      "original_max_position_embeddings": 4096, "rope_theta": 10000.0, "rope_type": "yarn",
      "type": "yarn",
    ],
  ])
}
