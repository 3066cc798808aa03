// GGUF files to named tensors and a configuration: against files of the format's own Python
// package, and against files made here, part by part.

import Compute
import Foundation
import JSON
import TestSupport
import Testing
import Weights

/// CRC-32 as zlib computes it (RFC 1952, section 8).
private func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  var value = UInt32.max
  for index in unsafe bytes.indices {
    value ^= UInt32(unsafe bytes[index])
    for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
  }
  return ~value
}

@Suite("GGUF checkpoint")
struct GGUFCheckpointTests {
  @Test(
    "files of the Python package, whole and in parts",
    arguments: ["tiny", "split-00001-of-00003", "split-00002-of-00003", "split-00003-of-00003"])
  func recorded(_ name: String) throws {
    let text = try Data(contentsOf: URL(filePath: Fixtures.path("gguf/expected.json")))
    let expected = try JSONValue(parsing: Array(text))
    let checkpoint = try Checkpoint.open(gguf: Fixtures.path("gguf/\(name).gguf"))
    let members = try #require(checkpoint.configuration.objectValue)
    let wanted = try #require(expected["configuration"]?.objectValue)
    #expect(Set(members.keys) == Set(wanted.keys))
    for (key, value) in wanted.members {
      #expect(same(members[key], value), "\(key): \(members[key]?.text ?? "nil")")
    }
    let tensors = try #require(expected["tensors"]?.arrayValue)
    #expect(checkpoint.tensors.count == tensors.count)
    for wanted in tensors {
      let name = wanted["name"]?.stringValue ?? ""
      let tensor = try #require(checkpoint.tensor(named: name), "\(name)")
      #expect(tensor.formatName == wanted["format"]?.stringValue)
      #expect(tensor.shape == wanted["shape"]?.arrayValue?.compactMap(\.integerValue), "\(name)")
      let view = try #require(tensor.view)
      #expect(unsafe checksum(view.bytes) == UInt32(wanted["crc"]?.integerValue ?? 0), "\(name)")
    }
    #expect(
      try GGUFModel(path: Fixtures.path("gguf/\(name).gguf")).name == "Tiny")
  }

  /// Equal, where 40 and 40.0 are the same number.
  private func same(_ found: JSONValue?, _ wanted: JSONValue) -> Bool {
    guard let found else { return false }
    if let members = wanted.objectValue {
      return found.objectValue?.count == members.count
        && members.members.allSatisfy { same(found[$0], $1) }
    }
    if let number = wanted.doubleValue { return found.doubleValue == number }
    return found == wanted
  }

  // MARK: Configurations

  private typealias Fields = [(key: String, value: GGUFField)]

  /// The keys of a small model as converters wrote them before they split kv_b.
  private static let plain: Fields = [
    ("general.architecture", .string("deepseek2")), ("deepseek2.block_count", .uint32(2)),
    ("deepseek2.context_length", .uint32(512)), ("deepseek2.embedding_length", .uint32(8)),
    ("deepseek2.feed_forward_length", .uint32(16)), ("deepseek2.vocab_size", .uint32(10)),
    ("deepseek2.attention.head_count", .uint32(2)),
    ("deepseek2.attention.head_count_kv", .uint32(2)),
    ("deepseek2.attention.layer_norm_rms_epsilon", .float32(1e-5)),
    ("deepseek2.attention.kv_lora_rank", .uint32(6)),
    ("deepseek2.attention.key_length", .uint32(6)),
    ("deepseek2.attention.value_length", .uint32(3)),
    ("deepseek2.rope.dimension_count", .uint32(2)),
    ("deepseek2.rope.freq_base", .float32(50_000)),
    ("deepseek2.expert_count", .uint32(4)), ("deepseek2.expert_used_count", .uint32(2)),
    ("deepseek2.expert_feed_forward_length", .uint32(5)),
    ("deepseek2.leading_dense_block_count", .uint32(1)),
    ("deepseek2.expert_weights_scale", .float32(16)),
    ("general.quantization_version", .uint32(2)), ("general.file_type", .uint32(1)),
  ]

  /// `plain` with some keys set anew, others removed.
  private static func fields(_ changes: [String: GGUFField?]) -> Fields {
    var fields = plain.filter { changes[$0.key] == nil }
    for (key, value) in changes.sorted(by: { $0.key < $1.key }) {
      if let value { fields.append((key, value)) }
    }
    return fields
  }

  private func open(
    _ fields: Fields, _ tensors: [GGUFTensor] = [GGUFTensor("token_embd.weight", [10, 8])]
  ) throws -> Checkpoint {
    let directory = try TemporaryDirectory()
    let path = try directory.write("model.gguf", GGUFFile(fields, tensors).bytes)
    return try Checkpoint.open(gguf: path)
  }

  @Test("the first files of the architecture: softmax, joined kv_b, tied head")
  func firstFiles() throws {
    let json = try open(Self.plain).configuration
    let expected: [String: JSONValue] = [
      "model_type": "deepseek_v2", "num_hidden_layers": 2, "num_nextn_predict_layers": 0,
      "qk_nope_head_dim": 4, "qk_rope_head_dim": 2, "v_head_dim": 3, "q_lora_rank": nil,
      "scoring_func": "softmax", "topk_method": "greedy", "norm_topk_prob": false,
      "routed_scaling_factor": 16.0, "n_shared_experts": 0, "tie_word_embeddings": true,
      "rms_norm_eps": 1e-5, "rope_theta": 50_000.0, "eos_token_id": [],
    ]
    for (key, value) in expected { #expect(json[key] == value, "\(key)") }
    #expect(json["rope_scaling"] == nil && json["bos_token_id"] == nil)
  }

  @Test("variants of the configuration")
  func variants() throws {
    func value(_ key: String, _ changes: [String: GGUFField?]) throws -> JSONValue? {
      try open(Self.fields(changes)).configuration[key]
    }
    let groups: [String: GGUFField?] = [
      "deepseek2.expert_group_count": .uint32(2), "deepseek2.expert_group_used_count": .uint32(1),
    ]
    #expect(try value("topk_method", groups) == "group_limited_greedy")
    #expect(try value("n_group", groups) == 2)
    #expect(try value("topk_group", groups) == 1)
    #expect(try value("vocab_size", ["deepseek2.vocab_size": nil]) == 10)
    #expect(
      try value("routed_scaling_factor", ["deepseek2.expert_weights_scale": .float32(0)]) == 1.0)
    #expect(
      try value("model_type", ["deepseek2.expert_gating_func": .uint32(2)]) == "deepseek_v3")
    let tokens: [String: GGUFField?] = [
      "tokenizer.ggml.eos_token_id": .uint32(1), "tokenizer.ggml.eot_token_id": .uint32(3),
      "tokenizer.ggml.eom_token_id": .uint32(1), "tokenizer.ggml.bos_token_id": .int32(0),
    ]
    #expect(try value("eos_token_id", tokens) == [1, 3])
    #expect(try value("bos_token_id", tokens) == 0)
    var yarn: [String: GGUFField?] = [
      "deepseek2.rope.scaling.type": .string("yarn"), "deepseek2.rope.scaling.factor": .float32(40),
      "deepseek2.rope.scaling.yarn_beta_fast": .float32(16),
    ]
    let without = try #require(try value("rope_scaling", yarn))
    #expect(without["attention_factor"] == 1.0 && without["mscale"] == nil)
    #expect(without["original_max_position_embeddings"] == 512)
    #expect(without["beta_fast"] == 16.0 && without["beta_slow"] == 1.0)
    yarn["deepseek2.rope.scaling.yarn_log_multiplier"] = .float32(0.1)
    let with = try #require(try value("rope_scaling", yarn))
    #expect(with["mscale"] == 1.0 && with["mscale_all_dim"] == 1.0)
    #expect(with["attention_factor"] == nil)
    // A router with biases is the sigmoid kind, whether or not the file says so.
    let biased = [
      GGUFTensor("token_embd.weight", [10, 8]), GGUFTensor("blk.1.exp_probs_b.bias", [4]),
    ]
    let json = try open(Self.plain, biased).configuration
    #expect(json["scoring_func"] == "sigmoid" && json["topk_method"] == "noaux_tc")
  }

  private static let refused: [(String, [String: GGUFField?])] = [
    ("general.architecture: is missing", ["general.architecture": nil]),
    ("general.architecture: is \"llama\"", ["general.architecture": .string("llama")]),
    ("general.architecture: is an integer", ["general.architecture": .uint8(1)]),
    ("general.type", ["general.type": .string("mmproj")]),
    ("deepseek2.block_count: is missing", ["deepseek2.block_count": nil]),
    ("deepseek2.block_count: is 0", ["deepseek2.block_count": .uint32(0)]),
    ("deepseek2.block_count: is 1001", ["deepseek2.block_count": .uint32(1001)]),
    ("deepseek2.block_count: is -1", ["deepseek2.block_count": .int32(-1)]),
    ("deepseek2.nextn_predict_layers: is 2 of", ["deepseek2.nextn_predict_layers": .uint32(2)]),
    (
      "deepseek2.nextn_predict_layers: is an integer instead",
      ["deepseek2.nextn_predict_layers": .uint64(.max)]
    ),
    ("embedding_length: is an array", ["deepseek2.embedding_length": .array(4, [.uint32(8)])]),
    ("head_count_kv: is 3", ["deepseek2.attention.head_count_kv": .uint32(3)]),
    ("key_length: leaves", ["deepseek2.attention.key_length": .uint32(2)]),
    ("key_length: leaves", ["deepseek2.attention.key_length": .int64(.min)]),
    ("key_length: is 6, but latents", ["deepseek2.attention.key_length_mla": .uint32(6)]),
    (
      "key_length: is 6, but latents",
      [
        "deepseek2.attention.key_length_mla": .uint32(6),
        "deepseek2.attention.kv_lora_rank": .int64(.max),
      ]
    ),
    ("value_length: is 3, but latents", ["deepseek2.attention.value_length_mla": .uint32(3)]),
    ("expert_gating_func: is 4", ["deepseek2.expert_gating_func": .uint32(4)]),
    ("rms_epsilon: is a boolean", ["deepseek2.attention.layer_norm_rms_epsilon": .bool(true)]),
    ("rope.freq_base: is a number", ["deepseek2.rope.freq_base": .float32(.nan)]),
    ("rope.freq_base: is missing", ["deepseek2.rope.freq_base": nil]),
    ("rope.scaling.type: is \"su\"", ["deepseek2.rope.scaling.type": .string("su")]),
    ("only yarn scales", ["deepseek2.rope.scaling.factor": .float32(2)]),
    ("yarn_ext_factor: is 0.5", ["deepseek2.rope.scaling.yarn_ext_factor": .float32(0.5)]),
    ("attention.causal: is false", ["deepseek2.attention.causal": .bool(false)]),
    ("temperature_scale: is 0.1", ["deepseek2.attention.temperature_scale": .float32(0.1)]),
    ("logit_scale: is unknown", ["deepseek2.logit_scale": .float32(2)]),
    ("deepseek2.é: is unknown", ["deepseek2.é": .uint8(0)]),
    ("eos_token_id: is a string", ["tokenizer.ggml.eos_token_id": .string("</s>")]),
  ]

  @Test("metadata that cannot be used is named", arguments: refused.indices)
  func refusedMetadata(_ index: Int) throws {
    let (reason, changes) = Self.refused[index]
    let error = try #require(throws: WeightsError.self) { try open(Self.fields(changes)) }
    #expect(error.description.hasPrefix("model.gguf: "))
    #expect(error.description.contains(reason), "\(error)")
  }

  @Test("any value of any key gives a configuration or an error")
  func extremes() throws {
    let values: [GGUFField] = [
      .uint64(.max), .uint64(1 << 63), .int64(.min), .int64(.max), .int32(-1), .uint32(0),
      .uint8(1), .float32(.infinity), .float32(-0.0), .float32(3e38), .float64(1e308),
      .float64(5e-324), .bool(true), .string(""), .strings([]), .array(5, [.int32(1)]),
    ]
    let more = [
      "attention.q_lora_rank", "attention.key_length_mla", "attention.value_length_mla",
      "nextn_predict_layers", "expert_group_count", "expert_group_used_count",
      "expert_gating_func", "expert_shared_count", "expert_weights_norm", "rope.scaling.type",
      "rope.scaling.factor", "rope.scaling.yarn_log_multiplier",
      "rope.scaling.original_context_length", "attention.causal", "pooling_type",
    ].map { "deepseek2." + $0 }
    let yarn: [String: GGUFField?] = [
      "deepseek2.rope.scaling.type": .string("yarn"), "deepseek2.rope.scaling.factor": .float32(4),
    ]
    var accepted = 0
    for key in Self.plain.map(\.key) + more + ["tokenizer.ggml.eos_token_id", "general.name"] {
      for value in values {
        let changes = yarn.merging([key: value]) { $1 }
        do {
          #expect(try open(Self.fields(changes)).configuration.objectValue != nil)
          accepted += 1
        } catch let error as WeightsError {
          #expect(error.description.hasPrefix("model.gguf: "), "\(error)")
        }
      }
    }
    #expect((50..<500).contains(accepted), "\(accepted)")
  }

  @Test("old block layouts are refused, of quantised tensors alone")
  func quantizationVersion() throws {
    let old = Self.fields(["general.quantization_version": .uint32(1)])
    _ = try open(old)
    #expect(throws: WeightsError.self) {
      try open(old, [GGUFTensor("q", 8, [1, 32], [UInt8](repeating: 0, count: 34))])
    }
  }

  // MARK: Tensors

  @Test("MTP modules count as blocks where their tensors are")
  func modules() throws {
    let norms = (0..<2).map { GGUFTensor("blk.\($0).attn_norm.weight", [8]) }
    let embedding = GGUFTensor("token_embd.weight", [10, 8])
    let module = GGUFTensor("blk.1.nextn.eh_proj.weight", [8, 16])
    let one = Self.fields(["deepseek2.nextn_predict_layers": .uint32(1)])
    func layers(_ fields: Fields, _ tensors: [GGUFTensor]) throws -> [Int?] {
      let json = try open(fields, [embedding] + tensors).configuration
      return ["num_hidden_layers", "num_nextn_predict_layers"].map { json[$0]?.integerValue }
    }
    #expect(try layers(one, norms + [module]) == [1, 1])
    #expect(try layers(one, norms) == [2, 0])
    #expect(try layers(one, [norms[0]]) == [1, 0])
    #expect(throws: WeightsError.self) { try layers(Self.plain, norms + [module]) }
    #expect(throws: WeightsError.self) {
      try layers(one, norms + [GGUFTensor("blk.0.nextn.eh_proj.weight", [8, 16])])
    }
  }

  @Test("split projections win over the joined one, in both of their shapes")
  func projections() throws {
    let embedding = GGUFTensor("token_embd.weight", [10, 8])
    let joined = GGUFTensor("blk.0.attn_kv_b.weight", [14, 6])
    let (k, v) = (
      GGUFTensor("blk.0.attn_k_b.weight", [2, 6, 4]), GGUFTensor("blk.0.attn_v_b.weight", [6, 6])
    )
    let name = "model.layers.0.self_attn."
    func shapes(_ tensors: [GGUFTensor]) throws -> [[Int]?] {
      let checkpoint = try open(Self.plain, [embedding] + tensors)
      return ["kv_b_proj", "k_b_proj", "v_b_proj"].map {
        checkpoint.tensor(named: name + $0 + ".weight")?.shape
      }
    }
    #expect(try shapes([joined]) == [[14, 6], nil, nil])
    #expect(try shapes([joined, k, v]) == [nil, [12, 4], [6, 6]])
    #expect(try shapes([joined, k]) == [[14, 6], [12, 4], nil])
    #expect(
      try shapes([GGUFTensor("blk.0.attn_k_b.weight", [12, 4]), v]) == [nil, [12, 4], [6, 6]])
  }

  @Test("names that are unknown stay, derived tables go")
  func names() throws {
    let names = [
      "token_embd.weight", "rope_freqs.weight", "blk.0.rope_freqs.weight",
      "blk.00.attn_norm.weight",
      "blk.1000.attn_norm.weight", "blk.-1.attn_norm.weight", "blk.0.attn_qkv.weight", "blk.0",
      "blk.99999999999999999999.attn_norm.weight", "", ".", "blk..attn_norm.weight",
    ]
    let checkpoint = try open(Self.plain, names.map { GGUFTensor($0, [4]) })
    let gone: Set = ["token_embd.weight", "rope_freqs.weight", "blk.0.rope_freqs.weight"]
    #expect(
      Set(checkpoint.tensors.map(\.name))
        == Set(names).subtracting(gone).union(["model.embed_tokens.weight"]))
    #expect(throws: WeightsError.self) { try checkpoint.finish { _ in false } }
  }

  @Test("stacks of experts that are none")
  func expertStacks() throws {
    for shape in [[8], [4, 8], [4097, 1, 1], [0, 8, 5], [1, 2, 3, 4]] {
      let error = try #require(throws: WeightsError.self) {
        try open(Self.plain, [GGUFTensor("blk.1.ffn_up_exps.weight", shape)])
      }
      #expect(error.description.contains("blk.1.ffn_up_exps.weight"), "\(error)")
    }
    // Two stacks of one expert set are the same tensors twice.
    #expect(throws: WeightsError.self) {
      try open(
        Self.plain,
        [
          GGUFTensor("blk.1.ffn_up_exps.weight", [1, 2, 3]),
          GGUFTensor("model.layers.1.mlp.experts.0.up_proj.weight", [2, 3]),
        ])
    }
  }
}
