// Which experts a token goes to, and with what weight (DeepSeek-V3 paper, section 2.1.2 and
// equations 12 to 16; DeepSeek-V2 paper, section 2.1.1 of the group-limited variant).

import Compute

/// The router of one layer. The bias takes part in the choice alone; weights come from the scores
/// without it. Ties go to the lower index.
public struct Router: Sendable {
  /// Scoring, groups and weights.
  public let configuration: RouterConfiguration
  /// e_score_correction_bias [experts]; nil where the architecture has none.
  public let bias: Vector?

  /// - Parameter bias: one element per expert, exactly where `hasBias` holds.
  public init(_ configuration: RouterConfiguration, bias: Vector?) {
    self.configuration = configuration
    self.bias = bias
  }

  /// Chooses experts for one token.
  /// - Parameters:
  ///   - logits: gate projection of the token [experts]; becomes the scores.
  ///   - choice: scratch; allocates nothing with room for `scratchCount` elements.
  ///   - experts: receives the chosen experts, best first.
  ///   - weights: receives their weights in the same order.
  public func route(
    _ logits: inout MutableSpan<Float>, choice: inout [Float], experts: inout [Int],
    weights: inout [Float]
  ) {
    score(&logits)
    choice.removeAll(keepingCapacity: true)
    for expert in logits.indices { choice.append(logits[expert] + (bias?[expert] ?? 0)) }
    if let groups = configuration.groups { discardGroups(&choice, groups) }
    experts.removeAll(keepingCapacity: true)
    weights.removeAll(keepingCapacity: true)
    for _ in 0..<configuration.expertsPerToken {
      let best = Self.indexOfLargest(choice, in: choice.indices)
      choice[best] = -.infinity
      experts.append(best)
      weights.append(logits[best])
    }
    normalize(&weights)
  }

  private func score(_ logits: inout MutableSpan<Float>) {
    switch configuration.scoring {
    case .sigmoid:
      for index in logits.indices { logits[index] = 1 / (1 + Elementwise.exp(-logits[index])) }
    case .softmax:
      var highest = -Float.infinity
      for index in logits.indices { highest = max(highest, logits[index]) }
      var sum: Float = 0
      for index in logits.indices {
        logits[index] = Elementwise.exp(logits[index] - highest)
        sum += logits[index]
      }
      for index in logits.indices { logits[index] /= sum }
    }
  }

  /// Room for the experts' scores and, for each of at most as many groups, a score and a mark.
  static func scratchCount(expertCount: Int) -> Int { 3 * expertCount }

  /// Makes the experts of all but the best groups impossible to choose. The groups' scores and
  /// marks stand behind the experts' scores for the while.
  private func discardGroups(_ choice: inout [Float], _ groups: ExpertGroups) {
    let scores = choice.count
    let marks = scores + groups.count
    let size = scores / groups.count
    for group in 0..<groups.count {
      choice.append(
        Self.groupScore(choice, group * size..<(group + 1) * size, groups.score))
    }
    choice.append(contentsOf: repeatElement(0, count: groups.count))
    for _ in 0..<groups.kept {
      let best = Self.indexOfLargest(choice, in: scores..<marks)
      choice[best] = -.infinity
      choice[best + groups.count] = 1
    }
    for group in 0..<groups.count where choice[marks + group] == 0 {
      for expert in group * size..<(group + 1) * size { choice[expert] = -.infinity }
    }
    choice.removeLast(2 * groups.count)
  }

  private static func groupScore(
    _ choice: [Float], _ experts: Range<Int>, _ kind: ExpertGroups.Score
  ) -> Float {
    var (first, second) = (-Float.infinity, -Float.infinity)
    for expert in experts {
      if choice[expert] > first {
        (first, second) = (choice[expert], first)
      } else if choice[expert] > second {
        second = choice[expert]
      }
    }
    return kind == .best ? first : first + second
  }

  /// The first of the largest values; NaN compares as nothing, so it can mislead but never trap.
  private static func indexOfLargest(_ values: [Float], in range: Range<Int>) -> Int {
    var best = range.lowerBound
    for index in range where values[index] > values[best] { best = index }
    return best
  }

  private func normalize(_ weights: inout [Float]) {
    if configuration.normalizesWeights {
      let sum = weights.reduce(0, +) + 1e-20
      for index in weights.indices { weights[index] /= sum }
    }
    let factor = Float(configuration.routedScalingFactor)
    for index in weights.indices { weights[index] *= factor }
  }
}
