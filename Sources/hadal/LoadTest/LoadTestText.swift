// A load test's report and progress as text for people.

import LoadTest

extension LoadProgress {
  /// One line, without an end.
  var line: String {
    let phase = isWarmingUp ? "warming up, " : ""
    return "\(seconds.rounded(.down).fixed(0)) s: \(phase)\(succeeded) done, "
      + "\(outstanding) in work, \(refused) refused, \(failed) failed; "
      + "\(outputTokensPerSecond.fixed(0)) tokens/s; first token "
      + "p50 \(timeToFirstTokenP50.fixed(0)), p99 \(timeToFirstTokenP99.fixed(0)) ms"
  }
}

extension LoadReport {
  /// The whole report.
  var text: String {
    let width = facts.map(\.name.count).max() ?? 0
    var parts = [
      headline,
      facts.map { fact in
        fact.name + String(repeating: " ", count: width - fact.name.count + 2) + fact.value
      }.joined(separator: "\n"),
    ]
    if latencyTable.count > 1 { parts.append(Self.table(latencyTable)) }
    if !failureTable.isEmpty {
      parts.append(Self.table([["Failures", "count", ""]] + failureTable))
    }
    return parts.joined(separator: "\n\n")
  }

  private static func table(_ rows: [[String]]) -> String {
    var table = TextTable(rows[0])
    for row in rows.dropFirst() { table.add(row) }
    return table.text
  }
}
