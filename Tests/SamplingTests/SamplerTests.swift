// Draws against the distributions they are meant to follow.

import Glibc
import Sampling
import TestSupport
import Testing

@Suite("Sampler")
struct SamplerTests {
  static let logits: [Float] = [2, 1, 0.5, 0.5, -1, -3, 0]

  func parameters(_ change: (inout SamplingParameters) -> Void) -> SamplingParameters {
    var parameters = SamplingParameters()
    change(&parameters)
    return parameters
  }

  /// Draws over many positions: every position is an independent draw from the same distribution.
  func frequencies(
    _ parameters: SamplingParameters, logits: [Float] = Self.logits, draws: Int = 20_000
  ) -> [Double] {
    var sampler = Sampler(parameters, choice: 0, prompt: [])
    var counts = [Double](repeating: 0, count: logits.count)
    for position in 0..<draws { counts[Int(sampler.sample(logits.span, position: position))] += 1 }
    return counts.map { $0 / Double(draws) }
  }

  func softmax(_ logits: [Double]) -> [Double] {
    let weights = logits.map { exp($0) }
    return weights.map { $0 / weights.reduce(0, +) }
  }

  /// Five standard deviations of a frequency over 20,000 draws are at most 0.018.
  func expectClose(_ a: [Double], _ b: [Double], _ comment: Comment) {
    for (x, y) in zip(a, b) { #expect(abs(x - y) < 0.018, "\(comment): \(a) against \(b)") }
  }

  @Test("draws follow the softmax at each temperature", arguments: [0.5, 1.0, 2.0])
  func distribution(temperature: Double) {
    let p = parameters {
      $0.temperature = temperature
      $0.seed = 17
    }
    let expected = softmax(Self.logits.map { Double($0) / temperature })
    expectClose(frequencies(p), expected, "temperature \(temperature)")
  }

  @Test("filters keep exactly the tokens their definitions keep, renormalised")
  func filters() {
    func expected(_ kept: Set<Int>) -> [Double] {
      let masked = Self.logits.enumerated().map {
        kept.contains($0.offset) ? Double($0.element) : -.infinity
      }
      return softmax(masked)
    }
    let all = softmax(Self.logits.map(Double.init))
    expectClose(frequencies(parameters { $0.topK = 2 }), expected([0, 1]), "top_k 2")
    expectClose(frequencies(parameters { $0.topK = 3 }), expected([0, 1, 2]), "top_k, tie by id")
    expectClose(
      frequencies(parameters { $0.topP = all[0] - 0.01 }), expected([0]), "top_p within the first")
    expectClose(
      frequencies(parameters { $0.topP = all[0] + 0.01 }), expected([0, 1]), "top_p into the second"
    )
    expectClose(frequencies(parameters { $0.minP = 0.3 }), expected([0, 1]), "min_p 0.3")
    expectClose(
      frequencies(
        parameters {
          $0.topK = 2
          $0.topP = 0.7
        }), expected([0]), "top_p acts on what top_k left, renormalised")
    expectClose(frequencies(parameters { $0.topP = 1e-9 }), expected([0]), "at least one token")
  }

  @Test("filters keep what a brute-force definition keeps, ties and extremes included")
  func filterProperty() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      // Few distinct values, so that equal logits are common.
      let logits = (0..<Int.random(in: 1...12, using: &g)).map { _ in
        Float(Int.random(in: -6...6, using: &g)) / 2
      }
      let p = parameters {
        $0.topK = [0, 1, 2, 5, 100].randomElement(using: &g)!
        $0.topP = [1, 0.97, 0.6, 0.25, 0].randomElement(using: &g)!
        $0.minP = [0, 1e-300, 0.07, 0.6, 1].randomElement(using: &g)!
        $0.seed = g.next()
      }
      var sampler = Sampler(p, choice: 0, prompt: [])
      let drawn = Set((0..<400).map { Int(sampler.sample(logits.span, position: $0)) })
      let kept = bruteForceKept(logits, p)
      #expect(drawn.isSubset(of: kept), "seed \(seed): \(logits) \(p)")
      let probabilities = softmax(logits.map(Double.init))
      let mass = kept.reduce(0) { $0 + probabilities[$1] }
      let certain = kept.filter { probabilities[$0] / mass > 0.06 }
      #expect(drawn.isSuperset(of: certain), "seed \(seed): \(logits) \(p)")
    }
  }

  /// min_p against the best token, then top_k, then top_p over what is left, renormalised.
  private func bruteForceKept(_ logits: [Float], _ p: SamplingParameters) -> Set<Int> {
    let probabilities = softmax(logits.map(Double.init))
    let best = probabilities.max()!
    var ranked = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
    ranked = ranked.filter { probabilities[$0] >= p.minP * best * (1 - 1e-6) }
    if p.topK > 0 { ranked = Array(ranked.prefix(p.topK)) }
    let total = ranked.reduce(0) { $0 + probabilities[$1] }
    var covered = 0.0
    let count = ranked.firstIndex { token in
      covered += probabilities[token]
      return covered >= p.topP * total * (1 - 1e-12)
    }
    return Set(ranked.prefix((count ?? ranked.count - 1) + 1))
  }

  @Test("a temperature too small to divide by is greedy", arguments: [0, 5e-324, 1e-39, 1e-6])
  func tinyTemperature(temperature: Double) {
    var sampler = Sampler(
      parameters { $0.temperature = temperature }, choice: 0, prompt: [])
    #expect(sampler.sample(([0.5, 1, 9, 0, -3] as [Float]).span, position: 0) == 2)
  }

  @Test("top_p over a large flat vocabulary keeps the right number")
  func largeVocabulary() {
    let logits = (0..<1000).map { _ in Float(0) } + [0.01]
    var sampler = Sampler(parameters { $0.topP = 0.1 }, choice: 0, prompt: [])
    var seen: Set<Int32> = []
    for position in 0..<2000 { seen.insert(sampler.sample(logits.span, position: position)) }
    #expect(seen.contains(1000))
    #expect(seen.subtracting([1000]).max()! <= 100, "ranked by id among equals")
    #expect(seen.count > 95)
  }

  @Test("top_p reaches far below the best token where that holds little of the mass")
  func longTail() {
    // One token holds 3,294 of 11,294 parts; of the 5,647 to be kept the rest are others'.
    let logits = [8.1] + (0..<8000).map { _ in Float(0) }
    var sampler = Sampler(parameters { $0.topP = 0.5 }, choice: 0, prompt: [])
    var seen: Set<Int32> = []
    for position in 0..<50 { seen.insert(sampler.sample(logits.span, position: position)) }
    #expect(seen.count > 5 && seen.contains(0))
    #expect(seen.max()! <= 2354, "ranked by id among equals")
  }

  @Test("greedy takes the largest, the lowest id of equals")
  func greedy() {
    let p = parameters { $0.temperature = 0 }
    var sampler = Sampler(p, choice: 3, prompt: [])
    #expect(sampler.sample(([1, 5, 5, 2] as [Float]).span, position: 9) == 1)
    #expect(sampler.sample(([.nan, .nan] as [Float]).span, position: 0) == 0)
  }

  @Test("penalties and bias act as documented")
  func penalties() {
    func greedy(_ change: (inout SamplingParameters) -> Void, accepted: [Int32], prompt: [Int32])
      -> Int32
    {
      var p = parameters(change)
      p.temperature = 0
      var sampler = Sampler(p, choice: 0, prompt: prompt)
      for token in accepted { sampler.accept(token) }
      return sampler.sample(([3, 2.5, -1] as [Float]).span, position: 4)
    }
    #expect(greedy({ $0.presencePenalty = 0.6 }, accepted: [0], prompt: []) == 1)
    #expect(greedy({ $0.presencePenalty = 0.4 }, accepted: [0, 0], prompt: []) == 0)
    #expect(greedy({ $0.frequencyPenalty = 0.3 }, accepted: [0, 0], prompt: []) == 1)
    #expect(greedy({ $0.frequencyPenalty = 0.3 }, accepted: [], prompt: [0, 0]) == 0)
    #expect(greedy({ $0.repetitionPenalty = 1.5 }, accepted: [], prompt: [0]) == 1)
    #expect(greedy({ $0.repetitionPenalty = 0.1 }, accepted: [2], prompt: []) == 0)
    // Once, wherever the token stands: 3 / 1.1 is above 2.5, 3 / 1.1 / 1.1 below.
    #expect(greedy({ $0.repetitionPenalty = 1.1 }, accepted: [0], prompt: [0]) == 0)
    #expect(
      greedy({ $0.logitBias = [LogitBias(token: 2, bias: 10)] }, accepted: [], prompt: []) == 2)
    // Bias first: (1 - 2) * 2 is below -1.2; the other way round, 1 / 2 - 2 would be too.
    let both: (inout SamplingParameters) -> Void = {
      $0.logitBias = [LogitBias(token: 0, bias: -4)]
      $0.repetitionPenalty = 2
    }
    #expect(greedy(both, accepted: [0, 1], prompt: []) == 1)
    #expect(
      greedy({ $0.logitBias = [LogitBias(token: 0, bias: -100)] }, accepted: [], prompt: []) == 1)
  }

  @Test("the draw depends on seed, choice, position and token, and on nothing else")
  func determinism() {
    func draws(seed: UInt64, choice: Int, _ logits: [Float] = Self.logits) -> [Int32] {
      var sampler = Sampler(parameters { $0.seed = seed }, choice: choice, prompt: [])
      return (0..<200).map { sampler.sample(logits.span, position: $0) }
    }
    #expect(draws(seed: 1, choice: 0) == draws(seed: 1, choice: 0))
    #expect(draws(seed: 1, choice: 0) != draws(seed: 2, choice: 0))
    #expect(draws(seed: 1, choice: 0) != draws(seed: 1, choice: 1))
    // A further token that is never likely changes nothing.
    #expect(draws(seed: 1, choice: 0) == draws(seed: 1, choice: 0, Self.logits + [-90]))
  }

  @Test("a withdrawn token leaves no trace, whatever was accepted before it")
  func withdrawal() {
    let seed = UInt64.random(in: 0 ... .max)
    var g = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let logits = (0..<8).map { _ in Float.random(in: -2...2, using: &g) }
      let p = parameters {
        $0.temperature = [0, 1].randomElement(using: &g)!
        $0.presencePenalty = Double.random(in: -2...2, using: &g)
        $0.frequencyPenalty = Double.random(in: -2...2, using: &g)
        $0.repetitionPenalty = Double.random(in: 0.5...2, using: &g)
        $0.seed = g.next()
      }
      let prompt = (0..<Int.random(in: 0...3, using: &g)).map { _ in
        Int32.random(in: 0..<8, using: &g)
      }
      var (plain, drafting) = (
        Sampler(p, choice: 0, prompt: prompt), Sampler(p, choice: 0, prompt: prompt)
      )
      for position in 0..<20 {
        let drafts = (0..<3).map { _ in Int32.random(in: 0..<8, using: &g) }
        for draft in drafts { drafting.accept(draft) }
        for draft in drafts.shuffled(using: &g) { drafting.withdraw(draft) }
        let token = plain.sample(logits.span, position: position)
        #expect(drafting.sample(logits.span, position: position) == token, "seed \(seed)")
        plain.accept(token)
        drafting.accept(token)
      }
    }
  }

  @Test("log-probabilities are those of the unadjusted distribution")
  func logprobs() {
    let result = TokenLogprobs(Self.logits.span, token: 3, top: 4)
    let expected = softmax(Self.logits.map(Double.init)).map { log($0) }
    #expect(abs(result.chosen.logprob - expected[3]) < 1e-6)
    #expect(result.top.map(\.token) == [0, 1, 2, 3])
    for scored in result.top { #expect(abs(scored.logprob - expected[Int(scored.token)]) < 1e-6) }
    #expect(TokenLogprobs(Self.logits.span, token: 0, top: 0).top.isEmpty)
    #expect(TokenLogprobs(Self.logits.span, token: 0, top: 99).top.count == Self.logits.count)
  }
}
