import JSON
extension ModelConfiguration {
  public init(_ json: JSONValue) throws(DeepSeekError) {
    func int(_ k: String, _ d: Int = 0) -> Int { json[k]?.integerValue ?? d }
    let v3 = json["model_type"]?.stringValue == "deepseek_v3"
    let groups = int("n_group", 1)
    let method = json["topk_method"]?.stringValue
    let rs = json["rope_scaling"]
    self.init(vocabularySize: int("vocab_size"), hiddenSize: int("hidden_size"), layerCount: int("num_hidden_layers"), headCount: int("num_attention_heads"), queryRank: json["q_lora_rank"]?.integerValue, latentRank: int("kv_lora_rank"), nopeWidth: int("qk_nope_head_dim"), ropeWidth: int("qk_rope_head_dim"), valueWidth: int("v_head_dim"), attentionBias: json["attention_bias"]?.boolValue ?? false, intermediateSize: int("intermediate_size"), expertIntermediateSize: int("moe_intermediate_size"), routedExpertCount: int("n_routed_experts"), sharedExpertCount: int("n_shared_experts"), denseLayerCount: int("first_k_dense_replace"), router: RouterConfiguration(scoring: v3 ? .sigmoid : .softmax, hasBias: v3, groups: groups > 1 && (v3 || method == "group_limited_greedy") ? ExpertGroups(count: groups, kept: int("topk_group"), score: v3 ? .sumOfTwoBest : .best) : nil, expertsPerToken: int("num_experts_per_tok"), normalizesWeights: v3 && (json["norm_topk_prob"]?.boolValue ?? true), routedScalingFactor: json["routed_scaling_factor"]?.doubleValue ?? 1), mtpLayerCount: int("num_nextn_predict_layers"), rope: RopeConfiguration(theta: json["rope_theta"]?.doubleValue ?? 10000, interleaved: json["rope_interleave"]?.boolValue ?? true, yarn: rs?.objectValue == nil ? nil : YarnConfiguration(factor: rs!["factor"]!.doubleValue!, originalMaxPositions: rs!["original_max_position_embeddings"]!.integerValue!, betaFast: 32, betaSlow: 1, mscale: rs!["mscale"]?.doubleValue, mscaleAllDim: rs!["mscale_all_dim"]?.doubleValue, attentionFactor: nil)), normEpsilon: Float(json["rms_norm_eps"]?.doubleValue ?? 1e-6), tiedEmbeddings: json["tie_word_embeddings"]?.boolValue ?? false, maxPositions: int("max_position_embeddings"), beginToken: nil, endTokens: [])
  }
}
