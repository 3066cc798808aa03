// What has been said so far, as far as penalties need to know.

/// Occurrences of tokens in the prompt and in the generated text of one sequence.
struct TokenHistory: Sendable {
  private var prompt: Set<Int32> = []
  private var generated: [Int32: Int] = [:]

  /// - Parameter tokens: how many different ones to make room for.
  init(prompt: [Int32], reserving tokens: Int) {
    self.prompt = Set(prompt)
    generated.reserveCapacity(tokens)
  }

  mutating func append(_ token: Int32) { generated[token, default: 0] += 1 }

  /// Undoes one `append` of the token.
  mutating func remove(_ token: Int32) {
    guard let count = generated[token] else { preconditionFailure("a token never generated") }
    generated[token] = count > 1 ? count - 1 : nil
  }

  /// Applies bias, then penalties, as vLLM does, to a copy of the logits. Every adjustment touches
  /// a token's own logit alone, so the order of the sets cannot matter.
  func adjust(_ logits: inout [Float], _ parameters: SamplingParameters) {
    for entry in parameters.logitBias { logits[Int(entry.token)] += Float(entry.bias) }
    if parameters.repetitionPenalty != 1 {
      let penalty = Float(parameters.repetitionPenalty)
      func penalize(_ token: Int32) {
        let logit = logits[Int(token)]
        logits[Int(token)] = logit > 0 ? logit / penalty : logit * penalty
      }
      for token in prompt { penalize(token) }
      for token in generated.keys where !prompt.contains(token) { penalize(token) }
    }
    for (token, count) in generated {
      let penalty =
        parameters.presencePenalty + parameters.frequencyPenalty * Double(count)
      logits[Int(token)] -= Float(penalty)
    }
  }
}
