// The metadata of a GGUF file of architecture deepseek2 in the words of config.json, so that one
// reader checks both. Keys of the architecture that are on no list here might change the arithmetic
// and are refused by name.

import Compute
import JSON

/// Translates metadata and the presence of tensors into a configuration.
struct GGUFConfiguration {
  let metadata: GGUFMetadata
  /// Names of the published layout.
  let tensors: Set<String>
  /// Rows of the embedding.
  let embeddingRows: Int?
  let hasQuantisedTensors: Bool

  static let architecture = "deepseek2"

  init(_ metadata: GGUFMetadata, _ tensors: [StoredTensor]) {
    self.metadata = metadata
    self.tensors = Set(tensors.map(\.name))
    embeddingRows = tensors.first { $0.name == "model.embed_tokens.weight" }?.shape.first
    hasQuantisedTensors = tensors.contains { $0.format?.isQuantised == true }
  }

  /// - Throws: `WeightsError.badMetadata` with the first key that cannot be used.
  func json() throws(WeightsError) -> JSONValue {
    try checkGeneral()
    try checkKeys()
    let isSigmoid = try usesSigmoid()
    var json = JSONObject()
    json["architectures"] = [isSigmoid ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM"]
    json["model_type"] = isSigmoid ? "deepseek_v3" : "deepseek_v2"
    try addSizes(&json)
    try addHeads(&json)
    try addExperts(&json, isSigmoid: isSigmoid)
    try addRope(&json)
    json["rms_norm_eps"] = .double(try requiredNumber("attention.layer_norm_rms_epsilon"))
    json["tie_word_embeddings"] = .bool(!tensors.contains("lm_head.weight"))
    json["attention_bias"] = .bool(
      tensors.contains("model.layers.0.self_attn.kv_a_proj_with_mqa.bias"))
    try addTokens(&json)
    return .object(json)
  }

  // MARK: Access

  func key(_ name: String) -> String { "\(Self.architecture).\(name)" }

  func failure(_ name: String, _ reason: String) -> WeightsError {
    metadata.failure(key(name), reason)
  }

  func integer(_ name: String) throws(WeightsError) -> Int? { try metadata.integer(key(name)) }

  func number(_ name: String) throws(WeightsError) -> Double? { try metadata.number(key(name)) }

  func requiredInteger(_ name: String) throws(WeightsError) -> Int {
    guard let value = try integer(name) else { throw failure(name, "is missing") }
    return value
  }

  func requiredNumber(_ name: String) throws(WeightsError) -> Double {
    guard let value = try number(name) else { throw failure(name, "is missing") }
    return value
  }
}
