// The results of `hadal bench` as tables and as JSON.

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

/// One test with one value of --mtp.
struct BenchResult {
  let test: BenchTest
  let speculation: Speculation
  var samples: [BenchSample] = []

  var rates: [Double] { samples.map(\.tokensPerSecond) }
  var counts: BenchCounts { samples.reduce(into: BenchCounts()) { $0 += $1.counts } }
}

struct BenchReport {
  let model: String
  let threads: Int
  let results: [BenchResult]

  /// Rate over the one without speculation, repetition by repetition; nil when that was not asked
  /// for.
  private func ratios(_ result: BenchResult) -> [Double]? {
    let plain = results.first { $0.test == result.test && $0.speculation == .off }
    return plain.map { zip(result.rates, $0.rates).map { $0 / $1 } }
  }

  var json: JSONValue { .array(results.map(json)) }

  private func json(_ result: BenchResult) -> JSONValue {
    let (test, counts) = (result.test, result.counts)
    var row = JSONObject()
    row["test"] = .string(test.kind.rawValue)
    row["tokens"] = .integer(test.tokens)
    row["depth"] = .integer(test.depth)
    row["batch"] = .integer(test.batch)
    row["tokens_per_second"] = .array(result.rates.map { .double($0) })
    row["mtp"] = .string(result.speculation.defaultValueDescription)
    row["threads"] = .integer(threads)
    row["acceptance"] = counts.acceptance
    row["step_costs"] = counts.costs
    if let ratios = ratios(result) { row["ratio_to_off"] = .array(ratios.map { .double($0) }) }
    return .object(row)
  }

  var text: String {
    let count = results.first?.samples.count ?? 0
    let title = "\(model), threads \(threads): tokens/s, median of \(count) repetitions"
    return [title, rateTable, stepTable].compactMap { $0 }.joined(separator: "\n\n")
  }

  private var rateTable: String {
    let hasRatio = results.contains { $0.speculation == .off } && results.count > 1
    var table = TextTable(
      ["test", "depth", "batch", "mtp", "tokens/s", "min", "max"] + (hasRatio ? ["to off"] : [])
        + ["accepted by position"])
    for result in results {
      let test = result.test
      let accepted = result.counts.drafts.filter { $0.drafted > 0 }.map {
        fixed(Double($0.accepted) / Double($0.drafted), 2)
      }
      table.add(
        [
          test.name, "\(test.depth)", "\(test.batch)", result.speculation.defaultValueDescription,
          fixed(median(result.rates), 1), fixed(result.rates.min() ?? 0, 1),
          fixed(result.rates.max() ?? 0, 1),
        ] + (hasRatio ? [fixed(median(ratios(result) ?? []), 3)] : [])
          + [accepted.joined(separator: " ")])
    }
    return table.text
  }

  /// Over all tests, a column for each value of --mtp; nil when no answers were generated.
  private var stepTable: String? {
    var columns: [(name: String, counts: BenchCounts)] = []
    for result in results {
      let name = result.speculation.defaultValueDescription
      if !columns.contains(where: { $0.name == name }) { columns.append((name, BenchCounts())) }
      for index in columns.indices where columns[index].name == name {
        columns[index].counts += result.counts
      }
    }
    let most = columns.map(\.counts.steps.count).max() ?? 0
    var table = TextTable(["rows"] + columns.map { "mtp " + $0.name })
    for rows in 1..<(most + 1) {
      let costs = columns.map { $0.counts.stepCost(rows: rows) }
      guard costs.contains(where: { $0 != nil }) else { continue }
      table.add(["\(rows)"] + costs.map { $0.map { fixed($0, 1) } ?? "" })
    }
    return table.isEmpty ? nil : "step cost by rows, mean microseconds\n" + table.text
  }
}

private func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return 0 }
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

/// A number with so many digits after the point.
private func fixed(_ value: Double, _ digits: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
  let scaled = Int((value * scale).rounded())
  let fraction = String(scaled % Int(scale))
  let zeros = String(repeating: "0", count: digits - fraction.count)
  return "\(scaled / Int(scale)).\(zeros)\(fraction)"
}
