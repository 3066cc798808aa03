// Rotary positions in a GGUF file's metadata. The engines that define the format scale scores by
// (1 + l ln f)^2, where l is `yarn_log_multiplier` and f the factor, and leave cosines and sines
// alone: what config.json says with equal `mscale` and `mscale_all_dim` of 10 l. (Other
// architectures store 10 l under the same key.)

import JSON

extension GGUFConfiguration {
  func addRope(_ json: inout JSONObject) throws(WeightsError) {
    json["rope_theta"] = .double(try requiredNumber("rope.freq_base"))
    let factor = try number("rope.scaling.factor") ?? 0
    let name = "rope.scaling.type"
    switch try metadata.string(key(name)) {
    case "yarn": json["rope_scaling"] = .object(try yarn(factor))
    case nil, "none", "linear":
      guard factor == 0 || factor == 1 else {
        throw failure("rope.scaling.factor", "is \(factor), but only yarn scales")
      }
    case let type?:
      throw failure(name, "is \"\(type.prefix(100))\", but only yarn, linear and none can be used")
    }
  }

  private func yarn(_ factor: Double) throws(WeightsError) -> JSONObject {
    var yarn = JSONObject()
    yarn["type"] = "yarn"
    yarn["factor"] = .double(factor)
    let context = try requiredInteger("context_length")
    yarn["original_max_position_embeddings"] = .integer(
      try integer("rope.scaling.original_context_length") ?? context)
    yarn["beta_fast"] = .double(try number("rope.scaling.yarn_beta_fast") ?? 32)
    yarn["beta_slow"] = .double(try number("rope.scaling.yarn_beta_slow") ?? 1)
    let multiplier = try number("rope.scaling.yarn_log_multiplier") ?? 0
    if multiplier == 0 {
      yarn["attention_factor"] = 1.0
    } else {
      yarn["mscale"] = .double(Self.tenfold(multiplier))
      yarn["mscale_all_dim"] = .double(Self.tenfold(multiplier))
    }
    return yarn
  }

  /// Ten times a number that was computed as a tenth and rounded to 32 bits: 0.707 from 0.0707.
  private static func tenfold(_ value: Double) -> Double {
    let product = value * 10
    return Double(Float(product).description) ?? product
  }
}
