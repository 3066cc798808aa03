// The recorded checkpoints rewritten as GGUF files, the way converters do it: the same
// configuration must come back, and the same logits.

import Compute
import DeepSeek
import JSON
import TestSupport
import Testing
import Weights

/// A GGUF file with the weights of a Hugging Face checkpoint, latent projections joined.
struct ConvertedCheckpoint {
  let checkpoint: Checkpoint
  private let config: JSONValue

  init(_ checkpoint: Checkpoint) {
    self.checkpoint = checkpoint
    config = checkpoint.configuration
  }

  var bytes: [UInt8] { GGUFFile(fields, tensors).bytes }

  private func integer(_ key: String) -> Int? { config[key]?.integerValue }

  private func number(_ value: JSONValue?) -> GGUFField {
    .float32(Float(value?.doubleValue ?? 0))
  }

  var fields: [(key: String, value: GGUFField)] {
    let modules = integer("num_nextn_predict_layers") ?? 0
    let rope = integer("qk_rope_head_dim") ?? 0
    let counts: KeyValuePairs = [
      "block_count": integer("num_hidden_layers").map { $0 + modules },
      "nextn_predict_layers": modules > 0 ? modules : nil,
      "context_length": integer("max_position_embeddings"),
      "embedding_length": integer("hidden_size"),
      "feed_forward_length": integer("intermediate_size"),
      "leading_dense_block_count": integer("first_k_dense_replace"),
      "vocab_size": integer("vocab_size"),
      "attention.head_count": integer("num_attention_heads"),
      "attention.head_count_kv": integer("num_key_value_heads"),
      "attention.q_lora_rank": integer("q_lora_rank"),
      "attention.kv_lora_rank": integer("kv_lora_rank"),
      "attention.key_length": integer("qk_nope_head_dim").map { $0 + rope },
      "attention.value_length": integer("v_head_dim"), "rope.dimension_count": rope,
      "expert_count": integer("n_routed_experts"),
      "expert_used_count": integer("num_experts_per_tok"),
      "expert_shared_count": integer("n_shared_experts"),
      "expert_feed_forward_length": integer("moe_intermediate_size"),
      "expert_group_count": integer("n_group"), "expert_group_used_count": integer("topk_group"),
      "expert_gating_func": config["scoring_func"] == "sigmoid" ? 2 : 1,
      "rope.scaling.original_context_length":
        config["rope_scaling"]?["original_max_position_embeddings"]?.integerValue,
    ]
    var fields: [(key: String, value: GGUFField)] = [("general.architecture", .string("deepseek2"))]
    for (key, value) in counts {
      if let value { fields.append(("deepseek2." + key, .uint32(UInt32(value)))) }
    }
    fields += [
      ("deepseek2.attention.layer_norm_rms_epsilon", number(config["rms_norm_eps"])),
      ("deepseek2.rope.freq_base", number(config["rope_theta"])),
      ("deepseek2.expert_weights_scale", number(config["routed_scaling_factor"])),
      ("deepseek2.expert_weights_norm", .bool(config["norm_topk_prob"] == true)),
      ("tokenizer.ggml.bos_token_id", .uint32(0)), ("tokenizer.ggml.eos_token_id", .uint32(1)),
    ]
    if let yarn = config["rope_scaling"], !yarn.isNull {
      let scale = yarn["mscale_all_dim"]?.doubleValue ?? 0
      fields += [
        ("deepseek2.rope.scaling.type", .string("yarn")),
        ("deepseek2.rope.scaling.factor", number(yarn["factor"])),
        ("deepseek2.rope.scaling.yarn_log_multiplier", .float32(Float(0.1 * scale))),
      ]
    }
    return fields
  }

  private static let names: KeyValuePairs = [
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.q_a_proj": "attn_q_a",
    "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa", "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "self_attn.kv_b_proj": "attn_kv_b", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp", "eh_proj": "nextn.eh_proj",
    "enorm": "nextn.enorm", "hnorm": "nextn.hnorm", "shared_head.norm": "nextn.shared_head_norm",
    "embed_tokens": "nextn.embed_tokens", "shared_head.head": "nextn.shared_head_head",
  ]

  var tensors: [GGUFTensor] {
    var tensors: [GGUFTensor] = []
    func add(_ name: String, _ ggufName: String) {
      guard let stored = checkpoint.tensor(named: name) else { return }
      tensors.append(
        GGUFTensor(ggufName, Self.number(stored), stored.shape, Self.bytes(stored)))
    }
    add("model.embed_tokens.weight", "token_embd.weight")
    add("model.norm.weight", "output_norm.weight")
    add("lm_head.weight", "output.weight")
    let modules = integer("num_nextn_predict_layers") ?? 0
    for layer in 0..<(integer("num_hidden_layers") ?? 0) + modules {
      let prefix = "model.layers.\(layer)."
      for (name, ggufName) in Self.names {
        add("\(prefix)\(name).weight", "blk.\(layer).\(ggufName).weight")
      }
      add(prefix + "mlp.gate.e_score_correction_bias", "blk.\(layer).exp_probs_b.bias")
      for part in ["gate", "up", "down"] {
        let experts = (0..<(integer("n_routed_experts") ?? 0)).compactMap {
          checkpoint.tensor(named: "\(prefix)mlp.experts.\($0).\(part)_proj.weight")
        }
        guard let first = experts.first else { continue }
        tensors.append(
          GGUFTensor(
            "blk.\(layer).ffn_\(part)_exps.weight", Self.number(first),
            [experts.count] + first.shape, experts.flatMap(Self.bytes)))
      }
    }
    return tensors
  }

  private static func number(_ tensor: StoredTensor) -> UInt32 {
    tensor.format == .bfloat16 ? 30 : 0
  }

  private static func bytes(_ tensor: StoredTensor) -> [UInt8] {
    tensor.view.map { unsafe Array($0.bytes) } ?? []
  }
}

@Suite("Parity of GGUF files")
struct GGUFParityTests {
  @Test(
    "the same configuration and the same bits as from the directory it was made of",
    arguments: [
      "parity/v2_greedy_lite", "parity/v3_full_sharded", "parity/v3_mtp", "variants/v3_tied",
      "variants/v3_two_mtp",
    ])
  func converted(name: String) throws {
    let parity = try ParityCase(name)
    let original = try Checkpoint.open(directory: parity.directory)
    let directory = try TemporaryDirectory()
    let path = try directory.write("model.gguf", ConvertedCheckpoint(original).bytes)
    let converted = try Checkpoint.open(gguf: path)
    #expect(
      try ModelConfiguration(converted.configuration)
        == ModelConfiguration(original.configuration))
    let tokens = Array(parity.tokens.prefix(90))
    func bits(_ runner: SequenceRunner) -> [UInt32] {
      var bits: [UInt32] = []
      runner.forEachRow(tokens, chunk: 45) { _, logits in bits += array(logits).map(\.bitPattern) }
      return bits
    }
    let (found, expected) = (
      bits(try SequenceRunner(converted)), bits(try SequenceRunner(original))
    )
    #expect(!expected.isEmpty && found == expected)
  }
}
