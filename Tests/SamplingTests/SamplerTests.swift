// Draws against the distributions they are meant to follow.

import Glibc
import Sampling
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
    let sampler = Sampler(parameters, choice: 0, prompt: [])
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

  @Test("top_p over a large flat vocabulary keeps the right number")
  func largeVocabulary() {
    let logits = (0..<1000).map { _ in Float(0) } + [0.01]
    let sampler = Sampler(parameters { $0.topP = 0.1 }, choice: 0, prompt: [])
    var seen: Set<Int32> = []
    for position in 0..<2000 { seen.insert(sampler.sample(logits.span, position: position)) }
    #expect(seen.contains(1000))
    #expect(seen.subtracting([1000]).max()! <= 100, "ranked by id among equals")
    #expect(seen.count > 95)
  }

  @Test("greedy takes the largest, the lowest id of equals")
  func greedy() {
    let p = parameters { $0.temperature = 0 }
    let sampler = Sampler(p, choice: 3, prompt: [])
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
    #expect(greedy({ $0.logitBias = [(2, 10)] }, accepted: [], prompt: []) == 2)
    #expect(greedy({ $0.logitBias = [(0, -100)] }, accepted: [], prompt: []) == 1)
  }

  @Test("the draw depends on seed, choice, position and token, and on nothing else")
  func determinism() {
    func draws(seed: UInt64, choice: Int, _ logits: [Float] = Self.logits) -> [Int32] {
      let sampler = Sampler(parameters { $0.seed = seed }, choice: choice, prompt: [])
      return (0..<200).map { sampler.sample(logits.span, position: $0) }
    }
    #expect(draws(seed: 1, choice: 0) == draws(seed: 1, choice: 0))
    #expect(draws(seed: 1, choice: 0) != draws(seed: 2, choice: 0))
    #expect(draws(seed: 1, choice: 0) != draws(seed: 1, choice: 1))
    // The same logits plus a constant, and a token that is never likely, change nothing.
    #expect(draws(seed: 1, choice: 0) == draws(seed: 1, choice: 0, Self.logits + [-90]))
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
