// What has been said so far, as far as penalties need to know.

/// Occurrences of tokens in the prompt and in the generated text of one sequence.
struct TokenHistory: Sendable {
  private var prompt: Set<Int32> = []
  private var generated: [Int32: Int] = [:]

  init(prompt: [Int32]) { self.prompt = Set(prompt) }

  mutating func append(_ token: Int32) { generated[token, default: 0] += 1 }

  /// Applies penalties and bias to a copy of the logits. Every adjustment touches a token's own
  /// logit alone, so the order of the sets cannot matter.
  func adjust(_ logits: inout [Float], _ parameters: SamplingParameters) {
    if parameters.repetitionPenalty != 1 {
      let penalty = Float(parameters.repetitionPenalty)
      for token in prompt.union(generated.keys) {
        let logit = logits[Int(token)]
        logits[Int(token)] = logit > 0 ? logit / penalty : logit * penalty
      }
    }
    for (token, count) in generated {
      let penalty =
        parameters.presencePenalty + parameters.frequencyPenalty * Double(count)
      logits[Int(token)] -= Float(penalty)
    }
    for (token, bias) in parameters.logitBias { logits[Int(token)] += Float(bias) }
  }
}
