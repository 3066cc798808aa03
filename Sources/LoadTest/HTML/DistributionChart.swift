// How often which latency was seen: columns over a logarithmic axis, with the percentiles marked.

import Glibc

struct DistributionChart {
  let title: String
  let histogram: LatencyHistogram
  let summary: LatencySummary

  private static let columns = 48
  /// Milliseconds below which latencies share the first column.
  private static let finest = 0.01

  /// Nil when nothing was recorded.
  var figure: String? {
    guard !histogram.isEmpty else { return nil }
    let low = max(histogram.minimum * 0.98, Self.finest)
    let high = max(histogram.maximum * 1.001, low * 1.2)
    let ratio = log(high / low)
    let bounds = (0...Self.columns).map { low * exp(ratio * Double($0) / Double(Self.columns)) }
    let counts = histogram.counts(bounds: bounds)
    let shares = counts.map { Double($0) / Double(summary.count) * 100 }
    let frame = ChartFrame(maximum: shares.max() ?? 0)
    func x(_ value: Double) -> Double {
      ChartFrame.x(min(max(log(value / low) / ratio, 0), 1))
    }
    let bars = counts.indices.map { index -> String in
      let (left, right) = (x(bounds[index]), x(bounds[index + 1]))
      let note =
        "\(bounds[index].short) to \(bounds[index + 1].short) ms\n"
        + "\(Double(counts[index]).fixed(0)) (\(shares[index].fixed(1)) %)"
      let height = frame.y(0) - frame.y(shares[index])
      return Markup.rectangle(left + 0.5, frame.y(0) - height, right - left - 1, height, "bar p50")
        + Markup.rectangle(
          left, ChartFrame.top, right - left, ChartFrame.innerHeight, "note", note: note)
    }
    let ticks = ChartScale.logarithmic(low, high).map {
      (share: log($0 / low) / ratio, text: ChartScale.label($0))
    }
    let content = [frame.grid, ChartFrame.labels(ticks)] + bars + [marks(x)]
    return "<figure><figcaption><b>\(Markup.escape(title))</b> <span>% of values by ms</span>"
      + "</figcaption>\(ChartFrame.drawing(title, content))</figure>"
  }

  /// Percentiles as lines with their names; names that would touch are left out.
  private func marks(_ x: (Double) -> Double) -> String {
    var last = -Double.infinity
    return [("p50", summary.p50), ("p90", summary.p90), ("p99", summary.p99)].map { name, value in
      let place = x(max(value, Self.finest))
      let line = Markup.line(
        place, ChartFrame.top, place, ChartFrame.height - ChartFrame.bottom, "mark")
      guard place - last > 24 else { return line }
      last = place
      return line + Markup.text(place, ChartFrame.top - 4, "middle", name)
    }.joined(separator: "\n")
  }
}
