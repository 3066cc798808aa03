// Logits to token, deterministically.

/// Chooses the tokens of one choice of one request. The choice at a position depends on the logits,
/// the parameters, the tokens accepted so far and the position alone.
public struct Sampler: Sendable {
  /// What the request asked for.
  public let parameters: SamplingParameters
  private let choice: Int
  private var history: TokenHistory?
  /// Scratch of one position, kept so that a further one allocates nothing.
  private var adjusted: [Float] = []
  private var filter = CandidateFilter()

  /// - Parameters:
  ///   - choice: index among the `n` answers to one prompt; each draws its own noise.
  ///   - prompt: token ids below the vocabulary size, as those of `logitBias`.
  ///   - tokens: how many will be accepted, drafts included: room is taken for them at once.
  public init(
    _ parameters: SamplingParameters, choice: Int, prompt: [Int32], reserving tokens: Int = 0
  ) {
    self.parameters = parameters
    self.choice = choice
    history = parameters.changesLogits ? TokenHistory(prompt: prompt, reserving: tokens) : nil
  }

  /// Records a token as generated, for the penalties of later positions.
  public mutating func accept(_ token: Int32) { history?.append(token) }

  /// Undoes an `accept` of the token. Drafting needs it: the position behind a draft is sampled as
  /// if the draft had been accepted.
  public mutating func withdraw(_ token: Int32) { history?.remove(token) }

  /// The token of `position` (counted from the start of the prompt). Changes scratch only.
  /// - Parameter logits: as the model computed them [vocabulary].
  public mutating func sample(_ logits: Span<Float>, position: Int) -> Int32 {
    guard !parameters.isGreedy || history != nil else { return Self.largest(logits) }
    adjusted.removeAll(keepingCapacity: true)
    adjusted.reserveCapacity(logits.count)
    for index in logits.indices { adjusted.append(logits[index]) }
    history?.adjust(&adjusted, parameters)
    guard !parameters.isGreedy else { return Self.largest(adjusted.span) }
    let factor = Float(1 / parameters.temperature)
    for index in adjusted.indices { adjusted[index] *= factor }
    let noise = SamplingNoise(seed: parameters.seed, choice: choice, position: position)
    return filter.keep(adjusted, parameters)
      ? Self.draw(from: filter.kept, adjusted, noise)
      : Self.draw(from: 0..<Int32(adjusted.count), adjusted, noise)
  }

  /// The candidate with the largest noisy logit; equal ones go to the lower id.
  private static func draw(
    from candidates: some Collection<Int32>, _ logits: [Float], _ noise: SamplingNoise
  ) -> Int32 {
    var best = candidates.first ?? 0
    var highest = -Double.infinity
    for candidate in candidates {
      let token = Int(candidate)
      let logit = Double(logits[token])
      guard logit + noise.gumbelBound(token) >= highest else { continue }
      let noisy = logit + noise.gumbel(token)
      if noisy > highest || (noisy == highest && candidate < best) {
        (best, highest) = (candidate, noisy)
      }
    }
    return best
  }

  private static func largest(_ logits: Span<Float>) -> Int32 {
    var best = 0
    for index in logits.indices where logits[index] > logits[best] { best = index }
    return Int32(best)
  }
}
