// Configurations: released ones mean what their papers say, everything else is refused by key.

import DeepSeek
import JSON
import Platform
import TestSupport
import Testing

@Suite("ModelConfiguration")
struct ModelConfigurationTests {
  @Test("DeepSeek-V3 has the paper's numbers")
  func v3() throws {
    for json in [Released.v3, Released.v31, Released.v3Saved] {
      let c = try ModelConfiguration(json)
      #expect(
        [c.vocabularySize, c.hiddenSize, c.layerCount, c.headCount] == [129280, 7168, 61, 128])
      #expect([c.queryRank, c.latentRank] == [1536, 512])
      #expect([c.nopeWidth, c.ropeWidth, c.valueWidth] == [128, 64, 128])
      #expect([c.intermediateSize, c.expertIntermediateSize] == [18432, 2048])
      #expect([c.routedExpertCount, c.sharedExpertCount, c.denseLayerCount] == [256, 1, 3])
      #expect(
        c.router
          == RouterConfiguration(
            scoring: .sigmoid, hasBias: true,
            groups: ExpertGroups(count: 8, kept: 4, score: .sumOfTwoBest), expertsPerToken: 8,
            normalizesWeights: true, routedScalingFactor: 2.5))
      #expect(c.rope.theta == 10000 && c.rope.interleaved)
      let yarn = try #require(c.rope.yarn)
      #expect(yarn.factor == 40 && yarn.originalMaxPositions == 4096)
      #expect([yarn.betaFast, yarn.betaSlow] == [32, 1])
      #expect(yarn.mscale == 1 && yarn.mscaleAllDim == 1 && yarn.attentionFactor == nil)
      #expect(c.mtpLayerCount == 1 && !c.tiedEmbeddings && !c.attentionBias)
      #expect(c.normEpsilon == 1e-6 && c.maxPositions == 163840)
      #expect(c.beginToken == 0 && c.endTokens == [1])
    }
  }

  @Test("DeepSeek-V2, V2-Lite and Moonlight differ where they should")
  func others() throws {
    let v2 = try ModelConfiguration(Released.v2)
    #expect(
      v2.router
        == RouterConfiguration(
          scoring: .softmax, hasBias: false,
          groups: ExpertGroups(count: 8, kept: 3, score: .best), expertsPerToken: 6,
          normalizesWeights: false, routedScalingFactor: 16))
    #expect(v2.queryRank == 1536 && v2.rope.yarn?.mscale == 0.707 && v2.mtpLayerCount == 0)
    let lite = try ModelConfiguration(Released.v2Lite)
    #expect(lite.queryRank == nil && lite.router.groups == nil && lite.router.scoring == .softmax)
    #expect(lite.endTokens == [100001])
    let moonlight = try ModelConfiguration(Released.moonlight)
    #expect(moonlight.rope.yarn == nil && moonlight.rope.theta == 50000)
    #expect(moonlight.router.hasBias && moonlight.router.groups == nil)
    #expect(moonlight.router.routedScalingFactor == 2.446 && moonlight.queryRank == nil)
  }

  @Test("the parity cases load", arguments: ParityCase.names)
  func parity(name: String) throws {
    let text = try FileReader.read(Fixtures.path("\(name)/config.json"), limit: 1 << 20)
    let c = try ModelConfiguration(try JSONValue(parsing: text))
    #expect(c.router.hasBias == name.contains("/v3"))
    let withModule = ["parity/v3_mtp", "parity/v3_fp8_block"]
    #expect(c.mtpLayerCount == (withModule.contains(name) ? 1 : 0))
    let plain = ["parity/v3_fp8_block", "variants/v3_odd", "variants/v3_tied"]
    #expect((c.rope.yarn == nil) == plain.contains(name))
  }

  @Test("keys that may be absent, null or spelled otherwise")
  func variants() throws {
    let v3 = Released.v3
    func read(_ members: KeyValuePairs<String, JSONValue>) throws -> ModelConfiguration {
      try ModelConfiguration(v3.with(members))
    }
    #expect(try read(["n_shared_experts": nil]).sharedExpertCount == 0)
    #expect(try read(["num_nextn_predict_layers": nil]).mtpLayerCount == 0)
    #expect(try read(["first_k_dense_replace": 100]).denseLayerCount == 61)
    #expect(try read(["first_k_dense_replace": 0]).denseLayerCount == 0)
    #expect(try read(["eos_token_id": [1, 7]]).endTokens == [1, 7])
    #expect(try read(["eos_token_id": nil, "bos_token_id": nil]).endTokens == [])
    #expect(try !read(["rope_interleave": false]).rope.interleaved)
    #expect(try read(["tie_word_embeddings": true, "attention_bias": true]).tiedEmbeddings)
    #expect(try read(["rope_scaling": nil]).rope.yarn == nil)
    #expect(try read(["rope_scaling": ["rope_type": "default"]]).rope.yarn == nil)
    #expect(
      try read(["model_type": "kimi_k2", "n_group": 1, "topk_group": 1]).router.groups == nil)
    let plain: JSONValue = [
      "type": "yarn", "factor": 4.5, "original_max_position_embeddings": 64, "mscale": 0,
      "attention_factor": 1.5, "beta_fast": nil,
    ]
    let yarn = try read(["rope_scaling": plain]).rope.yarn
    #expect(yarn?.mscale == nil && yarn?.mscaleAllDim == nil && yarn?.attentionFactor == 1.5)
    #expect(yarn?.factor == 4.5 && yarn?.betaFast == 32 && yarn?.betaSlow == 1)
    #expect(try ModelConfiguration(v3.without("rope_scaling", "eos_token_id")).endTokens == [])
  }

  /// The key that the refusal of a configuration names.
  private func refusedKey(_ json: JSONValue) -> String? {
    do {
      _ = try ModelConfiguration(json)
      return nil
    } catch .configuration(let file, let key, let reason) {
      return reason.isEmpty || file != "config.json" ? nil : key
    } catch {
      return nil
    }
  }

  static let refusedByV3: [(String, JSONValue)] = [
    ("sliding_window", 4096), ("hidden_act", "gelu"), ("moe_layer_freq", 2), ("mlp_bias", true),
    ("scoring_func", "softmax"), ("topk_method", "greedy"), ("topk_method", "group_limited_greedy"),
    ("model_type", "deepseek_v2"), ("model_type", "deepseek_v32"), ("architectures", []),
    ("architectures", ["DeepseekV32ForCausalLM"]), ("architectures", "DeepseekV3ForCausalLM"),
    ("architectures", ["DeepseekV3ForCausalLM", "DeepseekV2ForCausalLM"]),
    ("architectures", ["DeepseekV3Model"]), ("architectures", [3]), ("qk_rope_head_dim", 63),
    ("head_dim", 128), ("qk_head_dim", 128), ("num_key_value_heads", 8), ("n_group", 7),
    ("n_group", 256), ("topk_group", 9), ("num_experts_per_tok", 129), ("n_group", nil),
    ("num_experts_per_tok", 257), ("eos_token_id", [1, 129280]), ("eos_token_id", [1, "2"]),
    ("eos_token_id", .array(Array(repeating: 1, count: 100))), ("eos_token_id", "1"),
    ("norm_topk_prob", 1), ("tie_word_embeddings", "false"), ("rope_parameters", [:]),
    ("rope_scaling", 4), ("rope_scaling", []), ("quantization_config", []),
  ]

  @Test("values that another model would need", arguments: refusedByV3)
  func refused(key: String, value: JSONValue) {
    let expected = key == "rope_parameters" ? "rope_parameters.type" : key
    #expect(
      refusedKey(
        Released.v3.with([key: value]).with(
          key == "rope_parameters" ? ["rope_scaling": nil] : [:])) == expected)
  }

  @Test("values of nested keys")
  func refusedNested() {
    let v3 = Released.v3
    let nested: [(String, String, JSONValue)] = [
      ("rope_scaling", "type", "linear"), ("rope_scaling", "type", "dynamic"),
      ("rope_scaling", "rope_type", "llama3"), ("rope_scaling", "low_freq_factor", 1),
      ("rope_scaling", "truncate", false), ("rope_scaling", "partial_rotary_factor", 0.5),
      ("rope_scaling", "beta_slow", 33), ("rope_scaling", "factor", nil),
      ("rope_scaling", "original_max_position_embeddings", nil),
      ("quantization_config", "quant_method", "awq"), ("quantization_config", "fmt", "e5m2"),
      ("quantization_config", "activation_scheme", "static"), ("quantization_config", "bits", 4),
      ("quantization_config", "scale_fmt", "e8m0"), ("quantization_config", "expert_dtype", "fp4"),
      ("quantization_config", "weight_block_size", nil),
    ]
    for (outer, key, value) in nested {
      let changed = v3[outer]?.with([key: value]) ?? nil
      #expect(refusedKey(v3.with([outer: changed])) == "\(outer).\(key)")
    }
    let scaling = v3["rope_scaling"] ?? nil
    let twoTypes = scaling.with(["rope_type": "default"])
    #expect(refusedKey(v3.with(["rope_scaling": twoTypes])) == "rope_scaling.type")
    let twoBases = scaling.with(["rope_theta": 50000])
    #expect(refusedKey(v3.with(["rope_scaling": twoBases])) == "rope_theta")
    #expect(refusedKey(v3.with(["rope_parameters": scaling])) == "rope_scaling")
  }

  @Test("DeepSeek-V2's own refusals")
  func refusedByV2() {
    for (key, value) in [
      ("norm_topk_prob", true), ("topk_method", "noaux_tc"), ("scoring_func", "sigmoid"),
      ("rope_interleave", false), ("model_type", "deepseek_v3"), ("topk_group", nil),
    ] as [(String, JSONValue)] {
      #expect(refusedKey(Released.v2.with([key: value])) == key)
    }
  }

  @Test("what is no object is refused")
  func notAnObject() {
    for json in [nil, 1, "x", []] as [JSONValue] { #expect(refusedKey(json) == "the whole") }
    #expect(refusedKey([:]) == "architectures")
  }

  static let integers = [
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "q_lora_rank",
    "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "intermediate_size",
    "moe_intermediate_size", "n_routed_experts", "num_experts_per_tok", "n_group", "topk_group",
    "max_position_embeddings", "n_shared_experts", "first_k_dense_replace",
    "num_nextn_predict_layers", "bos_token_id", "eos_token_id",
    "rope_scaling.original_max_position_embeddings",
  ]
  static let mayBeZero = [
    "n_shared_experts", "first_k_dense_replace", "num_nextn_predict_layers", "bos_token_id",
    "eos_token_id",
  ]
  static let mayBeAbsent = [
    "n_shared_experts", "num_nextn_predict_layers", "bos_token_id", "eos_token_id",
  ]
  static let numbers = [
    "rms_norm_eps", "rope_theta", "routed_scaling_factor", "rope_scaling.factor",
    "rope_scaling.beta_fast", "rope_scaling.beta_slow", "rope_scaling.mscale",
    "rope_scaling.mscale_all_dim", "rope_scaling.attention_factor",
  ]

  /// V3 with the value at a dotted path replaced, or removed for nil.
  private func v3(_ path: String, _ value: JSONValue?) -> JSONValue {
    let keys = path.split(separator: ".").map(String.init)
    guard keys.count == 2 else {
      return value.map { Released.v3.with([path: $0]) } ?? removing(path, from: Released.v3)
    }
    let outer = Released.v3[keys[0]] ?? nil
    let inner = value.map { outer.with([keys[1]: $0]) } ?? removing(keys[1], from: outer)
    return Released.v3.with([keys[0]: inner])
  }

  private func removing(_ key: String, from json: JSONValue) -> JSONValue { json.without(key) }

  @Test("every integer at its extremes", arguments: integers)
  func integerExtremes(key: String) {
    var bad: [JSONValue] = [
      -1, .integer(.min), .integer(.max), 9.3e18, 1e308, -1e308, 2.5, 8.0, "8", true, [:],
    ]
    if !Self.mayBeZero.contains(key) { bad.append(0) }
    for value in bad {
      #expect(refusedKey(v3(key, value)) == key, "\(key) = \(value)")
    }
    #expect(refusedKey(v3(key, nil)) == (Self.mayBeAbsent.contains(key) ? nil : key))
  }

  @Test("every number at its extremes", arguments: numbers)
  func numberExtremes(key: String) {
    for value in [
      -1, -1e-300, .integer(.min), .integer(.max), 1e308, -1e308, "1", true, [], [:],
    ] as [JSONValue] {
      #expect(refusedKey(v3(key, value)) == key, "\(key) = \(value)")
    }
    if !key.contains("mscale") { #expect(refusedKey(v3(key, 0)) == key) }
  }

  @Test("a hundred thousand mutated configurations give a usable one or an error")
  func mutated() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("mutated configurations: seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let originals = [
      Released.v3, Released.v2, Released.v2Lite, Released.moonlight, Released.v3Saved,
    ]
    var accepted = 0
    for _ in 0..<100_000 {
      var json = originals.randomElement(using: &generator)!
      for _ in 0..<Int.random(in: 1...3, using: &generator) { json = mutate(json, &generator) }
      guard let c = try? ModelConfiguration(json) else { continue }
      accepted += 1
      try #require(weightBytes(c) != nil, "seed \(seed)")
    }
    #expect((1..<80_000).contains(accepted), "seed \(seed)")
  }

  /// Replaces, removes or renames a random member, of a nested object half of the time.
  private func mutate(_ json: JSONValue, _ generator: inout SeededGenerator) -> JSONValue {
    guard let object = json.objectValue, let key = object.keys.randomElement(using: &generator)
    else { return json }
    if let inner = object[key], inner.objectValue != nil, Bool.random(using: &generator) {
      return json.with([key: mutate(inner, &generator)])
    }
    let random =
      Int(truncatingIfNeeded: generator.next()) >> Int.random(in: 0..<64, using: &generator)
    let values: [JSONValue] = [
      nil, true, false, 0, 1, 2, 3, 64, -1, .integer(.max), .integer(.min), 1e308, 5e-324, -0.0,
      0.5, 1e18, 4_294_967_296, "", "yarn", "silu", [], [1, 1], [:], .integer(random),
      .double(Double(bitPattern: generator.next() & ~(1 << 62))),
      object.values.randomElement(using: &generator)!,
    ]
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: return removing(key, from: json)
    case 1: return removing(key, from: json).with([key + "_": object[key] ?? nil])
    default: return json.with([key: values.randomElement(using: &generator)!])
    }
  }

  /// Bytes of all weights in float32; nil when a sum or product overflows.
  private func weightBytes(_ c: ModelConfiguration) -> Int? {
    func product(_ factors: Int...) -> Int? {
      factors.reduce(4) { total, factor in
        guard let total else { return nil }
        let (product, overflow) = total.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
      }
    }
    let layers = c.layerCount + c.mtpLayerCount
    let experts = c.routedExpertCount + c.sharedExpertCount
    let head = c.nopeWidth + c.ropeWidth + c.valueWidth
    let parts = [
      product(2, 1 + c.mtpLayerCount, c.vocabularySize, c.hiddenSize),
      product(layers, experts, 3, c.expertIntermediateSize, c.hiddenSize),
      product(layers, 3, c.intermediateSize, c.hiddenSize),
      product(layers, 3, c.headCount, head, max(c.hiddenSize, c.queryRank ?? 0, c.latentRank)),
      product(c.maxPositions, layers, c.latentRank + c.ropeWidth),
    ]
    var total = 0
    for part in parts {
      guard let part else { return nil }
      let (sum, overflow) = total.addingReportingOverflow(part)
      if overflow { return nil }
      total = sum
    }
    return total
  }
}
