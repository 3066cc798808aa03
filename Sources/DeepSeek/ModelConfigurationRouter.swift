// The router's part of config.json. The rules are those of the published gates: DeepSeek-V2's
// softmax with plain or group-limited choice, DeepSeek-V3's sigmoid with correction bias.

extension RouterConfiguration {
  /// - Parameter experts: `n_routed_experts`.
  init(
    _ fields: ConfigurationFields, _ family: ModelFamily, experts: Int
  ) throws(DeepSeekError) {
    expertsPerToken = try fields.integer("num_experts_per_tok", in: 1...experts)
    routedScalingFactor = try fields.number("routed_scaling_factor", in: 1e-6...1e6)
    let available: Int
    switch family {
    case .deepSeekV3:
      // The transformers library writes neither key: its V3 model has only this router.
      scoring = try fields.choice("scoring_func", default: .sigmoid, ["sigmoid": .sigmoid])
      hasBias = try fields.choice("topk_method", default: true, ["noaux_tc": true])
      normalizesWeights = try fields.boolean("norm_topk_prob", default: true)
      groups = try ExpertGroups(fields, experts: experts, score: .sumOfTwoBest)
    case .deepSeekV2:
      scoring = try fields.choice("scoring_func", default: .softmax, ["softmax": .softmax])
      hasBias = false
      let limited = try fields.choice(
        "topk_method", default: false, ["greedy": false, "group_limited_greedy": true])
      normalizesWeights = try fields.boolean("norm_topk_prob", default: false)
      guard !normalizesWeights else {
        throw fields.failure(
          "norm_topk_prob",
          "is true, which implementations of DeepSeek-V2 understand in different ways")
      }
      groups = limited ? try ExpertGroups(fields, experts: experts, score: .best) : nil
    }
    available = groups.map { $0.kept * (experts / $0.count) } ?? experts
    guard expertsPerToken <= available else {
      throw fields.failure(
        "num_experts_per_tok", "is \(expertsPerToken), but the kept groups have \(available)")
    }
  }
}

extension ExpertGroups {
  /// nil when one group holds all experts, which limits nothing.
  fileprivate init?(
    _ fields: ConfigurationFields, experts: Int, score: Score
  ) throws(DeepSeekError) {
    count = try fields.integer("n_group", in: 1...experts)
    kept = try fields.integer("topk_group", in: 1...count)
    self.score = score
    guard experts.isMultiple(of: count) else {
      throw fields.failure("n_group", "is \(count), which does not divide \(experts) experts")
    }
    if count == 1 { return nil }
    guard score == .best || experts / count >= 2 else {
      throw fields.failure("n_group", "leaves one expert per group, whose two best are summed")
    }
  }
}
