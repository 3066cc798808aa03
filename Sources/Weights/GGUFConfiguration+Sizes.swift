// Sizes, experts and tokens of a GGUF file's metadata in the words of config.json.

import JSON

extension GGUFConfiguration {
  func addSizes(_ json: inout JSONObject) throws(WeightsError) {
    let blocks = try requiredInteger("block_count")
    guard 1...WeightsLimits.layers ~= blocks else {
      throw failure("block_count", "is \(blocks), not from 1 to \(WeightsLimits.layers)")
    }
    let modules = try mtpLayers(blocks)
    json["num_hidden_layers"] = .integer(blocks - modules.counted)
    json["num_nextn_predict_layers"] = .integer(modules.present)
    json["hidden_size"] = .integer(try requiredInteger("embedding_length"))
    json["intermediate_size"] = .integer(try requiredInteger("feed_forward_length"))
    json["max_position_embeddings"] = .integer(try requiredInteger("context_length"))
    json["first_k_dense_replace"] = .integer(try integer("leading_dense_block_count") ?? 0)
    guard let vocabulary = try integer("vocab_size") ?? embeddingRows else {
      throw failure("vocab_size", "is missing, and so is the tensor token_embd.weight")
    }
    json["vocab_size"] = .integer(vocabulary)
  }

  /// MTP modules are counted as blocks, behind the main ones. Some converters keep the count and
  /// leave the tensors out: with all blocks there it is meaningless, with fewer it still counts.
  private func mtpLayers(_ blocks: Int) throws(WeightsError) -> (counted: Int, present: Int) {
    let name = "nextn_predict_layers"
    let count = try integer(name) ?? 0
    guard 0..<blocks ~= count else { throw failure(name, "is \(count) of \(blocks) blocks") }
    let has = { (block: Int, tensor: String) in
      tensors.contains("model.layers.\(block).\(tensor).weight")
    }
    let present = (0..<blocks).filter { has($0, "eh_proj") }
    if present.isEmpty { return (has(blocks - 1, "input_layernorm") ? 0 : count, 0) }
    guard present == Array(blocks - count..<blocks) else {
      throw failure(name, "is \(count), but the blocks \(present) of \(blocks) are MTP modules")
    }
    return (count, count)
  }

  func addHeads(_ json: inout JSONObject) throws(WeightsError) {
    let heads = try requiredInteger("attention.head_count")
    json["num_attention_heads"] = .integer(heads)
    if let shared = try integer("attention.head_count_kv"), shared != 1, shared != heads {
      throw failure("attention.head_count_kv", "is \(shared), neither 1 nor \(heads)")
    }
    let rank = try requiredInteger("attention.kv_lora_rank")
    let rope = try requiredInteger("rope.dimension_count")
    json["q_lora_rank"] = try integer("attention.q_lora_rank").map { .integer($0) } ?? .null
    json["kv_lora_rank"] = .integer(rank)
    json["qk_rope_head_dim"] = .integer(rope)
    let key = try headWidth("attention.key_length", stored: rank, plus: rope)
    let (nope, overflow) = key.subtractingReportingOverflow(rope)
    guard !overflow, nope > 0 else {
      throw failure("attention.key_length", "leaves \(key) - \(rope) elements without position")
    }
    json["qk_nope_head_dim"] = .integer(nope)
    json["v_head_dim"] = .integer(try headWidth("attention.value_length", stored: rank, plus: 0))
  }

  /// Elements of a head's keys or values. Where the key with the suffix `_mla` has them, the plain
  /// one has those of the latents that stand for them.
  private func headWidth(
    _ name: String, stored rank: Int, plus rope: Int
  ) throws(WeightsError) -> Int {
    guard let width = try integer(name + "_mla") else { return try requiredInteger(name) }
    let (sum, overflow) = rank.addingReportingOverflow(rope)
    if let stored = try integer(name), overflow || stored != sum {
      let keys = ["attention.kv_lora_rank"] + (rope == 0 ? [] : ["rope.dimension_count"])
      throw failure(
        name,
        "is \(stored), but latents have \(overflow ? "too many" : "\(sum)") elements "
          + "(\(keys.joined(separator: " + ")))")
    }
    return width
  }

  /// Files of the DeepSeek-V2 series leave the function out and mean softmax; files whose routers
  /// have correction biases mean the sigmoid that the biases belong to.
  func usesSigmoid() throws(WeightsError) -> Bool {
    switch try integer("expert_gating_func") ?? 0 {
    case 0: return hasCorrectionBias
    case 1: return false
    case 2: return true
    case let value: throw failure("expert_gating_func", "is \(value), neither softmax nor sigmoid")
    }
  }

  private var hasCorrectionBias: Bool {
    tensors.contains { $0.hasSuffix(".mlp.gate.e_score_correction_bias") }
  }

  func addExperts(_ json: inout JSONObject, isSigmoid: Bool) throws(WeightsError) {
    json["moe_intermediate_size"] = .integer(try requiredInteger("expert_feed_forward_length"))
    json["n_routed_experts"] = .integer(try requiredInteger("expert_count"))
    json["num_experts_per_tok"] = .integer(try requiredInteger("expert_used_count"))
    json["n_shared_experts"] = .integer(try integer("expert_shared_count") ?? 0)
    // Zero is how "no scaling" is written.
    let scale = try number("expert_weights_scale") ?? 0
    json["routed_scaling_factor"] = .double(scale == 0 ? 1 : scale)
    let normalizes = try metadata.bool(key("expert_weights_norm")) ?? false
    json["norm_topk_prob"] = .bool(normalizes)
    json["scoring_func"] = isSigmoid ? "sigmoid" : "softmax"
    let groups = max(1, try integer("expert_group_count") ?? 1)
    let kept = max(1, try integer("expert_group_used_count") ?? groups)
    json["n_group"] = .integer(groups)
    json["topk_group"] = .integer(kept)
    json["topk_method"] =
      hasCorrectionBias ? "noaux_tc" : groups > 1 ? "group_limited_greedy" : "greedy"
  }

  func addTokens(_ json: inout JSONObject) throws(WeightsError) {
    let vocabulary = json["vocab_size"]?.integerValue ?? 0
    json["bos_token_id"] = try metadata.integer("tokenizer.ggml.bos_token_id").map { .integer($0) }
    var ends: [JSONValue] = []
    for name in ["eos", "eot", "eom"] {
      let key = "tokenizer.ggml.\(name)_token_id"
      guard let token = try metadata.integer(key) else { continue }
      // The main one is checked with the rest of the configuration.
      guard name == "eos" || (token >= 0 && token < vocabulary) else {
        throw metadata.failure(key, "is \(token), not a token of the vocabulary of \(vocabulary)")
      }
      if !ends.contains(.integer(token)) { ends.append(.integer(token)) }
    }
    json["eos_token_id"] = .array(ends)
  }
}
