// The rotary part of config.json, in both spellings: `rope_theta` beside `rope_scaling` as in
// released files, and `rope_parameters` as transformers 5 writes it.

import JSON

extension RopeConfiguration {
  init(_ fields: ConfigurationFields, _ family: ModelFamily) throws(DeepSeekError) {
    switch family {
    case .deepSeekV3: interleaved = try fields.boolean("rope_interleave", default: true)
    case .deepSeekV2:
      try fields.require("rope_interleave", only: true)
      interleaved = true
    }
    var scaling: ConfigurationFields?
    for key in ["rope_parameters", "rope_scaling"] {
      guard let value = fields[key] else { continue }
      guard scaling == nil else {
        throw fields.failure(key, "is given beside rope_parameters")
      }
      scaling = try ConfigurationFields(value, path: key + ".")
    }
    let range = 1.001...1e12
    let outer = try fields.optionalNumber("rope_theta", in: range)
    let inner = try scaling?.optionalNumber("rope_theta", in: range)
    guard let theta = outer ?? inner else { throw fields.failure("rope_theta", "is missing") }
    guard inner == nil || inner == theta else {
      throw fields.failure("rope_theta", "has two different values")
    }
    self.theta = theta
    yarn = try scaling.flatMap { fields throws(DeepSeekError) in try YarnConfiguration(fields) }
  }
}

extension YarnConfiguration {
  /// nil for the type "default", which scales nothing.
  fileprivate init?(_ fields: ConfigurationFields) throws(DeepSeekError) {
    try fields.requireKnown(ConfigurationKeys.rope)
    let types: KeyValuePairs = ["yarn": true, "default": false]
    let key = fields["rope_type"] == nil ? "type" : "rope_type"
    let isYarn = try fields.choice(key, default: nil, types)
    guard try fields.choice("type", default: isYarn, types) == isYarn else {
      throw fields.failure("type", "contradicts rope_type")
    }
    _ = try fields.optionalNumber("partial_rotary_factor", in: 1...1)
    try fields.require("truncate", only: true)
    guard isYarn else { return nil }
    factor = try fields.number("factor", in: 1...1e6)
    originalMaxPositions = try fields.integer(
      "original_max_position_embeddings", in: ConfigurationLimits.positions)
    betaFast = try fields.optionalNumber("beta_fast", in: 1e-3...1e6) ?? 32
    betaSlow = try fields.optionalNumber("beta_slow", in: 1e-3...1e6) ?? 1
    guard betaSlow <= betaFast else {
      throw fields.failure("beta_slow", "is above beta_fast")
    }
    mscale = try Self.scale(fields, "mscale")
    mscaleAllDim = try Self.scale(fields, "mscale_all_dim")
    attentionFactor = try fields.optionalNumber("attention_factor", in: 1e-3...1e3)
  }

  /// Zero means what absence means.
  private static func scale(
    _ fields: ConfigurationFields, _ key: String
  ) throws(DeepSeekError) -> Double? {
    let value = try fields.optionalNumber(key, in: 0...100)
    return value == 0 ? nil : value
  }
}
