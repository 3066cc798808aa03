// Log-probabilities of the model's own distribution, before temperature, penalties and filters, as
// the OpenAI API and vLLM report them.

import Glibc

/// A token with its natural-log probability.
public struct ScoredToken: Sendable, Equatable {
  /// Token id.
  public let token: Int32
  /// Natural logarithm of its probability.
  public let logprob: Double

  public init(token: Int32, logprob: Double) {
    self.token = token
    self.logprob = logprob
  }
}

/// Log-probability of the token at one position, and of the most likely ones there.
public struct TokenLogprobs: Sendable, Equatable {
  /// The token that stands, or was drawn, at the position.
  public let chosen: ScoredToken
  /// Most likely first, equal ones by id.
  public let top: [ScoredToken]

  /// - Parameters:
  ///   - logits: as the model computed them [vocabulary].
  ///   - top: how many of the most likely tokens to report.
  public init(_ logits: Span<Float>, token: Int32, top: Int) {
    var highest = -Float.infinity
    for index in logits.indices where logits[index] > highest { highest = logits[index] }
    var sum = 0.0
    for index in logits.indices { sum += exp(Double(logits[index] - highest)) }
    let normalizer = Double(highest) + log(sum)
    func scored(_ index: Int, _ logit: Float) -> ScoredToken {
      ScoredToken(token: Int32(index), logprob: Double(logit) - normalizer)
    }
    chosen = scored(Int(token), logits[Int(token)])
    guard top > 0 else {
      self.top = []
      return
    }
    let values = logits.indices.map { logits[$0] }
    var largest: [Int32] = []
    TokenRanking(logits: values).takeLargest(min(top, values.count), into: &largest)
    self.top = largest.map { scored(Int($0), values[Int($0)]) }
  }
}
