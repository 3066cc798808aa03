// The keys of config.json: those that decide something here, and those known to decide nothing.
// A key on neither list might change the arithmetic and is therefore refused.

enum ConfigurationKeys {
  /// Keys that `ModelConfiguration` reads.
  static let read: Set<String> = [
    "architectures", "attention_bias", "bos_token_id", "eos_token_id", "first_k_dense_replace",
    "head_dim", "hidden_act", "hidden_size", "intermediate_size", "kv_lora_rank",
    "max_position_embeddings", "mlp_bias", "model_type", "moe_intermediate_size", "moe_layer_freq",
    "n_group", "n_routed_experts", "n_shared_experts", "norm_topk_prob", "num_attention_heads",
    "num_experts_per_tok", "num_hidden_layers", "num_key_value_heads", "num_nextn_predict_layers",
    "q_lora_rank", "qk_head_dim", "qk_nope_head_dim", "qk_rope_head_dim", "quantization_config",
    "rms_norm_eps", "rope_interleave", "rope_parameters", "rope_scaling", "rope_theta",
    "routed_scaling_factor", "scoring_func", "tie_word_embeddings", "topk_group", "topk_method",
    "v_head_dim", "vocab_size",
  ]

  /// Keys of released models of the family that concern training, placement or bookkeeping.
  static let irrelevant: Set<String> = [
    "attention_dropout", "auto_map", "aux_loss_alpha", "dtype", "ep_size", "initializer_range",
    "output_router_logits", "pad_token_id", "pretraining_tp", "router_aux_loss_coef", "seq_aux",
    "torch_dtype", "transformers_version", "unsloth_fixed", "unsloth_version", "use_cache",
  ]

  /// Keys that every configuration class of the transformers library has had at some time.
  static let generic: Set<String> = [
    "_attn_implementation", "_attn_implementation_autoset", "_name_or_path", "add_cross_attention",
    "attn_implementation", "bad_words_ids", "begin_suppress_tokens", "chunk_size_feed_forward",
    "cross_attention_hidden_size", "decoder_start_token_id", "diversity_penalty", "do_sample",
    "early_stopping", "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty",
    "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "gradient_checkpointing",
    "id2label", "is_decoder", "is_encoder_decoder", "label2id", "length_penalty", "max_length",
    "min_length", "name_or_path", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "prefix",
    "problem_type", "pruned_heads", "remove_invalid_values", "repetition_penalty", "return_dict",
    "return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params",
    "temperature", "tf_legacy_loss", "tie_encoder_decoder", "tokenizer_class", "top_k", "top_p",
    "torchscript", "typical_p", "use_bfloat16",
  ]

  /// Keys of `quantization_config`; the block size is read where the weights are.
  static let quantization: Set<String> = [
    "activation_scheme", "dequantize", "expert_dtype", "fmt", "ignored_layers",
    "modules_to_convert", "modules_to_not_convert", "quant_method", "scale_fmt",
    "weight_block_size",
  ]

  /// Keys of `rope_scaling` and `rope_parameters`.
  static let rope: Set<String> = [
    "attention_factor", "beta_fast", "beta_slow", "factor", "mscale", "mscale_all_dim",
    "original_max_position_embeddings", "partial_rotary_factor", "rope_theta", "rope_type",
    "truncate", "type",
  ]
}
