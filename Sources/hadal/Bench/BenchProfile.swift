// `--profile`: where the time of steps goes, operation by operation.

import Compute
import DeepSeek
import JSON

/// The operations of one test's steps.
struct BenchProfile {
  /// One line of the table.
  private struct Line {
    let name: String
    let seconds: Double
    let rate: WorkRate
  }

  private let achieved: BenchAchieved
  private let limits: MachineLimits?
  private let main: [Line]
  private let draft: [Line]
  private let measured: Double

  /// Nil when nothing was measured.
  init?(_ achieved: BenchAchieved, _ limits: MachineLimits?) {
    guard let times = achieved.times else { return nil }
    self.achieved = achieved
    self.limits = limits
    func lines(_ kind: PassKind, _ work: PassWork) -> [Line] {
      PassOperation.allCases.compactMap { operation in
        let seconds = times[kind, operation]
        guard seconds > 0 else { return nil }
        return Line(
          name: operation.name, seconds: seconds,
          rate: WorkRate(work[operation], seconds: seconds))
      }
    }
    main = lines(.main, achieved.main)
    draft = lines(.draft, achieved.draft)
    measured = (main + draft).reduce(0) { $0 + $1.seconds }
  }

  private func milliseconds(_ seconds: Double) -> Double {
    seconds / max(achieved.steps, 1) * 1000
  }

  var json: JSONValue {
    var rows: [JSONValue] = []
    for (pass, lines) in [("main", main), ("mtp", draft)] {
      for line in lines {
        var row = JSONObject()
        row["pass"] = .string(pass)
        row["operation"] = .string(line.name)
        row["milliseconds"] = .double(milliseconds(line.seconds))
        row["share"] = .double(line.seconds / measured)
        if line.rate.work.bytes > 0 { line.rate.add(to: &row, limits) }
        rows.append(.object(row))
      }
    }
    return .array(rows)
  }

  /// - Parameter title: of the test.
  func text(_ title: String) -> String {
    var table = TextTable(
      ["operation", "ms", "share", "GB/s", "GOPS"]
        + (limits == nil ? [] : ["of read", "of peak"]) + [""])
    for line in main { table.add(cells(line)) }
    if !draft.isEmpty {
      let seconds = draft.reduce(0) { $0 + $1.seconds }
      table.add(
        cells(
          Line(
            name: "MTP", seconds: seconds,
            rate: WorkRate(achieved.draft.total, seconds: seconds))))
    }
    table.add(
      cells(
        Line(
          name: "all", seconds: measured,
          rate: WorkRate(achieved.rate.work, seconds: measured))))
    return "\(title): milliseconds of a step\n" + table.text
  }

  private func cells(_ line: Line) -> [String] {
    let rate = line.rate
    let hasWork = rate.work.bytes > 0
    let cells = [
      line.name, fixed(milliseconds(line.seconds), 3), percent(line.seconds / measured),
      hasWork ? fixed(rate.gigabytes, 1) : "", hasWork ? fixed(rate.operations, 1) : "",
    ]
    guard let limits else { return cells + [""] }
    return cells
      + (hasWork
        ? [percent(rate.shareOfBandwidth(limits)), percent(rate.shareOfPeak(limits))]
        : ["", ""]) + [""]
  }
}

extension PassOperation {
  /// For people and scripts.
  fileprivate var name: String {
    switch self {
    case .attentionProjections: "attention projections"
    case .absorption: "absorb"
    case .contextExpansion: "expand context"
    case .latentScan: "latent scan"
    case .valueExpansion: "expand"
    case .attentionOutput: "attention output"
    case .router: "router"
    case .expertsActivate: "experts and shared: activate"
    case .expertsProject: "experts and shared: project"
    case .denseActivate: "dense: activate"
    case .denseProject: "dense: project"
    case .draftInput: "join"
    case .head: "head"
    case .sampling: "sampling"
    case .other: "other"
    }
  }
}
