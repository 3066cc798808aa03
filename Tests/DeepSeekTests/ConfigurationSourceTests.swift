// What refuses a configuration names the file and the key as that file has them.

import DeepSeek
import JSON
import TestSupport
import Testing
import Weights

@Suite("Where a configuration stands")
struct ConfigurationSourceTests {
  /// A file of the architecture that is usable but for `changes`.
  private func open(_ changes: [String: GGUFField]) throws -> Checkpoint {
    let integers: [String: UInt32] = [
      "block_count": 2, "context_length": 512, "embedding_length": 8, "feed_forward_length": 16,
      "leading_dense_block_count": 1, "vocab_size": 10, "attention.head_count": 2,
      "attention.q_lora_rank": 4, "attention.kv_lora_rank": 6, "attention.key_length": 6,
      "attention.value_length": 3, "rope.dimension_count": 2, "expert_count": 4,
      "expert_used_count": 2, "expert_shared_count": 1, "expert_feed_forward_length": 8,
      "expert_group_count": 2, "expert_group_used_count": 1, "expert_gating_func": 2,
      "rope.scaling.original_context_length": 128,
    ]
    var fields: [String: GGUFField] = [
      "general.architecture": .string("deepseek2"),
      "deepseek2.attention.layer_norm_rms_epsilon": .float32(1e-6),
      "deepseek2.rope.freq_base": .float32(10_000),
      "deepseek2.expert_weights_scale": .float32(2.5),
      "deepseek2.expert_weights_norm": .bool(true),
      "deepseek2.rope.scaling.type": .string("yarn"),
      "deepseek2.rope.scaling.factor": .float32(4),
      "deepseek2.rope.scaling.yarn_log_multiplier": .float32(0.1),
      "tokenizer.ggml.bos_token_id": .uint32(0), "tokenizer.ggml.eos_token_id": .uint32(1),
    ]
    for (key, value) in integers { fields["deepseek2." + key] = .uint32(value) }
    fields.merge(changes) { $1 }
    let file = GGUFFile(
      fields.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) },
      [
        GGUFTensor("token_embd.weight", [10, 8]), GGUFTensor("blk.1.exp_probs_b.bias", [4]),
      ])
    let directory = try TemporaryDirectory()
    return try Checkpoint.open(gguf: directory.write("tiny.gguf", file.bytes))
  }

  private static let refused: [(String, GGUFField)] = [
    ("deepseek2.embedding_length", .uint32(0)), ("deepseek2.feed_forward_length", .uint32(0)),
    ("deepseek2.context_length", .uint32(.max)), ("deepseek2.vocab_size", .uint32(0)),
    ("deepseek2.attention.head_count", .uint32(0)),
    ("deepseek2.attention.q_lora_rank", .uint32(0)),
    ("deepseek2.attention.kv_lora_rank", .uint32(0)),
    ("deepseek2.attention.key_length", .uint32(1 << 20)),
    ("deepseek2.attention.value_length", .uint32(0)),
    ("deepseek2.attention.value_length_mla", .uint32(0)),
    ("deepseek2.rope.dimension_count", .uint32(3)), ("deepseek2.expert_count", .uint32(5000)),
    ("deepseek2.expert_used_count", .uint32(3)), ("deepseek2.expert_shared_count", .uint32(65)),
    ("deepseek2.expert_feed_forward_length", .uint32(0)),
    ("deepseek2.expert_group_count", .uint32(3)),
    ("deepseek2.expert_group_used_count", .uint32(3)),
    ("deepseek2.expert_weights_scale", .float32(-1)),
    ("deepseek2.leading_dense_block_count", .int32(-1)),
    ("deepseek2.attention.layer_norm_rms_epsilon", .float32(2)),
    ("deepseek2.rope.freq_base", .float32(0)), ("deepseek2.rope.scaling.factor", .float32(0.5)),
    ("deepseek2.rope.scaling.original_context_length", .uint32(0)),
    ("deepseek2.rope.scaling.yarn_beta_fast", .float32(0)),
    ("deepseek2.rope.scaling.yarn_beta_slow", .float32(64)),
    ("deepseek2.rope.scaling.yarn_log_multiplier", .float32(100)),
    ("tokenizer.ggml.bos_token_id", .uint32(10)), ("tokenizer.ggml.eos_token_id", .uint32(10)),
  ]

  @Test("a GGUF file's own keys are named", arguments: refused.indices)
  func keys(index: Int) throws {
    let (key, value) = Self.refused[index]
    var changes = [key: value]
    // Where a second key has the width of a head, the first has that of the latents.
    if key.hasSuffix("_mla") { changes["deepseek2.attention.value_length"] = .uint32(6) }
    let checkpoint = try open(changes)
    let error = try #require(throws: DeepSeekError.self) { try ModelConfiguration(of: checkpoint) }
    #expect(error.description.hasPrefix("tiny.gguf: \(key): "), "\(error)")
  }

  @Test("the file is usable otherwise, and each key that was read has a name in it")
  func names() throws {
    let checkpoint = try open([:])
    _ = try ModelConfiguration(of: checkpoint)
    // Made of what tensors there are.
    let derived: Set = ["architectures", "model_type", "tie_word_embeddings", "attention_bias"]
    let object = try #require(checkpoint.configuration.objectValue)
    for key in object.keys where !derived.contains(key) && key != "rope_scaling" {
      #expect(checkpoint.configurationSource.name(of: key) != key || key == "vocab_size", "\(key)")
    }
    #expect(checkpoint.configurationSource.name(of: "vocab_size") == "deepseek2.vocab_size")
    for key in try #require(object["rope_scaling"]?.objectValue).keys {
      #expect(
        checkpoint.configurationSource.name(of: "rope_scaling." + key).hasPrefix("deepseek2."))
    }
  }

  @Test("a directory's file is config.json, with its own keys")
  func directory() throws {
    let checkpoint = try Checkpoint.open(directory: ParityCase("parity/v3_mtp").directory)
    let source = checkpoint.configurationSource
    #expect(source.file == "config.json" && source.name(of: "hidden_size") == "hidden_size")
    #expect(try ModelConfiguration(of: checkpoint) == ModelConfiguration(checkpoint.configuration))
  }
}
