// The report as one HTML file that needs nothing else: no script, no font, no image, no network.

import HTTP
import JSON

extension LoadReport {
  /// A whole document. Everything that came from outside is escaped.
  public var html: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Load test of \(Markup.escape(model))</title>
    <style>
    \(Stylesheet.text)
    </style>
    </head>
    <body>
    <h1>Load test of \(Markup.escape(model))</h1>
    <p>\(Markup.escape(subtitle))</p>
    \(warnings)
    <div class="tiles">
    \(tiles.joined(separator: "\n"))
    </div>
    <h2>Over time</h2>
    <div class="charts">
    \(timeCharts.joined(separator: "\n"))
    </div>
    <h2>Latencies</h2>
    \(Markup.table(latencyTable, kind: "numbers"))
    <div class="charts" style="margin-top: 12px">
    \(distributions.joined(separator: "\n"))
    </div>
    \(failureSection)
    <h2>Run</h2>
    \(Markup.table([["", ""]] + facts.map { [$0.name, $0.value] }, kind: "pairs"))
    <h2>Parameters</h2>
    \(Markup.table([["", ""]] + parameterRows, kind: "pairs"))
    <footer>Latencies count from the moment a request was due. Written by hadal loadtest.</footer>
    </body>
    </html>

    """
  }

  private var subtitle: String {
    "\(headline.dropFirst(model.count + 1)), started \(HTTPDate.text(startTime))"
  }

  private var warnings: String {
    var lines: [String] = []
    if isInterrupted { lines.append("The run was interrupted.") }
    if requests.failed > 0 { lines.append("\(requests.failed) requests failed.") }
    if requests.delayed + requests.unsent > 0 {
      lines.append("The bound on requests in work was reached: see below.")
    }
    return lines.map { "<p class=\"warning\">\($0)</p>" }.joined(separator: "\n")
  }

  // MARK: - Tiles

  private var tiles: [String] {
    var tiles = [
      Self.tile(
        perSecond(requests.succeeded).short, "/s",
        "requests, \(requests.succeeded) of \(requests.started) succeeded"),
      Self.tile(perSecond(outputTokens).short, "/s", "output tokens"),
    ]
    if let promptRate { tiles.append(Self.tile(promptRate.short, "/s", "prompt tokens")) }
    for latency in latencies where latency.key != "inter_event" && latency.summary.count > 0 {
      tiles.append(
        Self.tile(
          latency.summary.p50.short, "ms",
          "\(latency.title.lowercased()), p50; p99 \(latency.summary.p99.short) ms"))
    }
    if !plan.goals.isEmpty {
      tiles.append(
        Self.tile((goodShare * 100).fixed(1), "%", "goodput, \(perSecond(good).short) /s"))
    }
    return tiles
  }

  private static func tile(_ value: String, _ unit: String, _ name: String) -> String {
    "<div><b>\(Markup.escape(value)) <small>\(Markup.escape(unit))</small></b>"
      + "<span>\(Markup.escape(name))</span></div>"
  }

  // MARK: - Charts

  private var timeCharts: [String] {
    let charts = TimelineCharts(timeline.coarsened(), seconds: seconds)
    return charts.all
  }

  private var distributions: [String] {
    latencies.compactMap { latency in
      DistributionChart(
        title: latency.title, histogram: latency.histogram, summary: latency.summary
      ).figure
    }
  }

  // MARK: - Tables

  private var failureSection: String {
    if failureTable.isEmpty { return "" }
    let rows = [["Kind", "Count", "What the server said"]] + failureTable
    return "<h2>Refusals and errors</h2>\n\(Markup.table(rows, kind: "failures"))"
  }

  private var parameterRows: [[String]] {
    parameters.members.map { name, value in
      ["--" + name.split(separator: "_").joined(separator: "-"), value.stringValue ?? value.text]
    }
  }
}
