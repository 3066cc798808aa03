// The names that GGUF files of architecture deepseek2 give to tensors, and the names of the same
// tensors in a Hugging Face checkpoint. What is stacked or folded differently becomes tensors of
// the shapes that the published layout has; no byte moves.

/// What a tensor of a GGUF file is in the published layout.
package enum GGUFTensorRole: Equatable {
  /// The same tensor under another name.
  case same(String)
  /// [heads, rows, columns] or [heads * rows, columns]: a matrix of all heads' rows.
  case headMatrix(String)
  /// [experts, rows, columns]: one matrix for each expert, `prefix`J`suffix`.
  case experts(prefix: String, suffix: String)
  /// Tables that the engines which wrote them derive from the metadata, and so does this one.
  case ignored

  /// The role of a tensor of this name; a name that is unknown stays as it is, for the model to
  /// refuse.
  package init(_ name: String) {
    if let global = Self.globals[name] {
      self = .same(global)
      return
    }
    let parts = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard name != "rope_freqs.weight" else {
      self = .ignored
      return
    }
    guard parts.count == 3, parts[0] == "blk", let layer = Int(parts[1]), "\(layer)" == parts[1],
      0..<WeightsLimits.layers ~= layer
    else {
      self = .same(name)
      return
    }
    let prefix = "model.layers.\(layer)."
    switch String(parts[2]) {
    case "rope_freqs.weight", "attn_rot_embd.weight": self = .ignored
    case "attn_k_b.weight": self = .headMatrix(prefix + "self_attn.k_b_proj.weight")
    case "attn_v_b.weight": self = .headMatrix(prefix + "self_attn.v_b_proj.weight")
    case "ffn_gate_exps.weight": self = Self.experts(prefix, "gate_proj")
    case "ffn_up_exps.weight": self = Self.experts(prefix, "up_proj")
    case "ffn_down_exps.weight": self = Self.experts(prefix, "down_proj")
    case let rest: self = .same(Self.layerNames[rest].map { prefix + $0 } ?? name)
    }
  }

  /// What such a file calls a tensor of the published layout; one of experts has its number behind
  /// the name of the stack. Other names stay as they are.
  package static func name(of published: String) -> String {
    if let global = globals.first(where: { $0.value == published })?.key { return global }
    guard let match = published.wholeMatch(of: /model\.layers\.(\d+)\.(.+)/) else {
      return published
    }
    let block = "blk.\(match.1)."
    if let expert = match.2.wholeMatch(of: /mlp\.experts\.(\d+)\.(gate|up|down)_proj\.weight/) {
      return "\(block)ffn_\(expert.2)_exps.weight[\(expert.1)]"
    }
    if let half = match.2.wholeMatch(of: /self_attn\.([kv])_b_proj\.weight/) {
      return "\(block)attn_\(half.1)_b.weight"
    }
    // Of two names the longer one, which has the suffix that files now have.
    let names = layerNames.filter { $0.value == match.2 }.keys
    return names.max { $0.count < $1.count }.map { block + $0 } ?? published
  }

  private static func experts(_ prefix: String, _ name: String) -> GGUFTensorRole {
    .experts(prefix: prefix + "mlp.experts.", suffix: ".\(name).weight")
  }

  private static let globals = [
    "token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
  ]

  /// Names behind `blk.N.`, and behind `model.layers.N.`.
  private static let layerNames = [
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_q_a.weight": "self_attn.q_a_proj.weight",
    "attn_q_a.bias": "self_attn.q_a_proj.bias",
    "attn_q_a_norm.weight": "self_attn.q_a_layernorm.weight",
    "attn_q_b.weight": "self_attn.q_b_proj.weight",
    "attn_kv_a_mqa.weight": "self_attn.kv_a_proj_with_mqa.weight",
    "attn_kv_a_mqa.bias": "self_attn.kv_a_proj_with_mqa.bias",
    "attn_kv_a_norm.weight": "self_attn.kv_a_layernorm.weight",
    "attn_kv_b.weight": "self_attn.kv_b_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "attn_output.bias": "self_attn.o_proj.bias",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
    "ffn_gate_inp.weight": "mlp.gate.weight",
    "exp_probs_b.bias": "mlp.gate.e_score_correction_bias",
    // Files from before the suffix was settled.
    "exp_probs_b": "mlp.gate.e_score_correction_bias",
    "ffn_gate_shexp.weight": "mlp.shared_experts.gate_proj.weight",
    "ffn_up_shexp.weight": "mlp.shared_experts.up_proj.weight",
    "ffn_down_shexp.weight": "mlp.shared_experts.down_proj.weight",
    "nextn.eh_proj.weight": "eh_proj.weight",
    "nextn.enorm.weight": "enorm.weight",
    "nextn.hnorm.weight": "hnorm.weight",
    "nextn.shared_head_norm.weight": "shared_head.norm.weight",
    "nextn.embed_tokens.weight": "embed_tokens.weight",
    "nextn.shared_head_head.weight": "shared_head.head.weight",
  ]
}
