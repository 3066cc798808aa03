// The results of `hadal bench` as tables and as JSON.

import Compute
import JSON
import Serving

/// One test with one value of --mtp.
struct BenchResult {
  let test: BenchTest
  let speculation: Speculation
  var samples: [BenchSample] = []

  var rates: [Double] { samples.map(\.tokensPerSecond) }
  var counts: BenchCounts { samples.reduce(into: BenchCounts()) { $0 += $1.counts } }
  /// Of all repetitions together.
  var achieved: BenchAchieved { samples.reduce(into: BenchAchieved()) { $0 += $1.achieved } }
}

struct BenchReport {
  let model: String
  let threads: Int
  /// Nil where they were not measured.
  let limits: MachineLimits?
  /// The chance of drafts where a coin decides.
  let acceptance: Double?
  let results: [BenchResult]

  /// Rate over the one without speculation, repetition by repetition; nil when that was not asked
  /// for.
  private func ratios(_ result: BenchResult) -> [Double]? {
    let plain = results.first { $0.test == result.test && $0.speculation == .off }
    return plain.map { zip(result.rates, $0.rates).map { $0 / $1 } }
  }

  // MARK: - JSON

  var json: JSONValue { .array(results.map(json)) }

  private func json(_ result: BenchResult) -> JSONValue {
    let (test, counts) = (result.test, result.counts)
    var row = JSONObject()
    row["test"] = .string(test.kind.rawValue)
    row["tokens"] = .integer(test.tokens)
    row["depth"] = .integer(test.depth)
    row["batch"] = .integer(test.batch)
    row["tokens_per_second"] = .array(result.rates.map { .double($0) })
    row["median_tokens_per_second"] = .double(median(result.rates))
    row["mtp"] = .string(result.speculation.defaultValueDescription)
    row["threads"] = .integer(threads)
    add(result, to: &row)
    row["acceptance"] = counts.acceptance
    row["synthetic_acceptance"] = acceptance.map { .double($0) }
    row["step_costs"] = counts.costs
    if let ratios = ratios(result) { row["ratio_to_off"] = .array(ratios.map { .double($0) }) }
    row["limits"] = limits?.json
    row["profile"] = BenchProfile(result.achieved, limits)?.json
    return .object(row)
  }

  /// What was achieved: work of a step, and its rates in the median repetition.
  private func add(_ result: BenchResult, to row: inout JSONObject) {
    let achieved = result.achieved
    row["milliseconds_per_step"] = .array(
      result.samples.map { .double($0.achieved.milliseconds) })
    row["bytes_per_step"] = .double(achieved.bytesPerStep)
    row["multiply_adds_per_step"] = .double(achieved.multiplyAddsPerStep)
    medianRate(result)?.add(to: &row, limits)
  }

  /// Of the repetition with the median time per step: one of them, not a mean.
  private func medianRate(_ result: BenchResult) -> WorkRate? {
    let sorted = result.samples.map(\.achieved).sorted { $0.milliseconds < $1.milliseconds }
    return sorted.isEmpty ? nil : sorted[sorted.count / 2].rate
  }

  // MARK: - Tables

  var text: String {
    let count = results.first?.samples.count ?? 0
    let title =
      "\(model.printable), threads \(threads): tokens/s, median of \(count) "
      + (count == 1 ? "repetition" : "repetitions")
    let coin = acceptance.map { "a coin accepts drafts with chance \($0): answers are nonsense" }
    let profiles = results.compactMap { result in
      BenchProfile(result.achieved, limits)?.text(
        "\(result.test), mtp \(result.speculation.defaultValueDescription)")
    }
    let head = [title, limits?.text, coin].compactMap { $0 }.joined(separator: "\n")
    return ([head, rateTable, stepTable].compactMap { $0 } + profiles).joined(separator: "\n\n")
  }

  private var rateTable: String {
    let hasRatio = results.contains { $0.speculation == .off } && results.count > 1
    let shares = limits == nil ? [] : ["of read", "of peak"]
    var table = TextTable(
      ["test", "depth", "batch", "mtp", "tokens/s", "min", "max"] + (hasRatio ? ["to off"] : [])
        + ["ms/step", "GB/s", "GOPS"] + shares + ["accepted"])
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
        ] + (hasRatio ? [fixed(median(ratios(result) ?? []), 3)] : []) + achievedCells(result)
          + [accepted.joined(separator: " ")])
    }
    return table.text
  }

  private func achievedCells(_ result: BenchResult) -> [String] {
    let milliseconds = median(result.samples.map(\.achieved.milliseconds))
    guard let rate = medianRate(result) else { return [] }
    let cells = [
      fixed(milliseconds, 2), fixed(rate.gigabytes, 1), fixed(rate.operations, 1),
    ]
    guard let limits else { return cells }
    return cells + [percent(rate.shareOfBandwidth(limits)), percent(rate.shareOfPeak(limits))]
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
