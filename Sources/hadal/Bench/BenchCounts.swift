// What an engine counted during a measurement.

import JSON
import Serving

/// How drafts fared and what steps cost, between two looks at an engine's statistics.
struct BenchCounts {
  /// By position of the draft, the first one first.
  private(set) var drafts: [(drafted: Int, accepted: Int)] = []
  /// By rows of the step, one row first.
  private(set) var steps: [(count: Int, seconds: Double)] = []

  init() {}

  init(from before: EngineStatistics, to after: EngineStatistics) {
    drafts = zip(before.drafts, after.drafts).map {
      ($1.drafted - $0.drafted, $1.accepted - $0.accepted)
    }
    steps = after.stepCosts.enumerated().map { index, cost in
      let old = index < before.stepCosts.count ? before.stepCosts[index] : nil
      return (cost.steps - (old?.steps ?? 0), cost.seconds - (old?.seconds ?? 0))
    }
  }

  static func += (sum: inout BenchCounts, next: BenchCounts) {
    for (index, draft) in next.drafts.enumerated() {
      if index == sum.drafts.count { sum.drafts.append((0, 0)) }
      sum.drafts[index].drafted += draft.drafted
      sum.drafts[index].accepted += draft.accepted
    }
    for (index, step) in next.steps.enumerated() {
      if index == sum.steps.count { sum.steps.append((0, 0)) }
      sum.steps[index].count += step.count
      sum.steps[index].seconds += step.seconds
    }
  }

  /// Mean microseconds of a step of so many rows; nil when there was none.
  func stepCost(rows: Int) -> Double? {
    guard rows <= steps.count, steps[rows - 1].count > 0 else { return nil }
    return steps[rows - 1].seconds / Double(steps[rows - 1].count) * 1e6
  }

  var acceptance: JSONValue {
    var list: [JSONValue] = []
    for (index, draft) in drafts.enumerated() where draft.drafted > 0 {
      list.append([
        "position": .integer(index + 1), "drafted": .integer(draft.drafted),
        "accepted": .integer(draft.accepted),
      ])
    }
    return .array(list)
  }

  var costs: JSONValue {
    var list: [JSONValue] = []
    for (index, step) in steps.enumerated() {
      guard let cost = stepCost(rows: index + 1) else { continue }
      list.append([
        "rows": .integer(index + 1), "steps": .integer(step.count), "microseconds": .double(cost),
      ])
    }
    return .array(list)
  }
}
