// Charts over the time of a run: lines, and columns of what became of requests.

/// The frame of a chart: its size, its axes and the places of values within. Sizes are in pixels of
/// the drawing, which is scaled to the page.
struct ChartFrame {
  static let width = 560.0
  static let height = 210.0
  static let left = 52.0
  static let right = 12.0
  static let top = 14.0
  static let bottom = 26.0

  static var innerWidth: Double { width - left - right }
  static var innerHeight: Double { height - top - bottom }

  let ticks: [Double]

  /// - Parameter maximum: the largest value to be shown.
  init(maximum: Double) { ticks = ChartScale.ticks(upTo: maximum) }

  func y(_ value: Double) -> Double {
    Self.top + Self.innerHeight * (1 - value / (ticks.last ?? 1))
  }

  /// The place of a share, from 0 to 1, of the horizontal axis.
  static func x(_ share: Double) -> Double { left + innerWidth * share }

  /// Lines and numbers of the vertical axis.
  var grid: String {
    ticks.map { tick in
      Markup.line(
        Self.left, y(tick), Self.width - Self.right, y(tick), tick == 0 ? "axis" : "grid")
        + Markup.text(Self.left - 6, y(tick) + 4, "end", ChartScale.label(tick))
    }.joined(separator: "\n")
  }

  /// Numbers below the horizontal axis, at shares of it.
  static func labels(_ labels: [(share: Double, text: String)]) -> String {
    labels.map { label in
      Markup.text(x(label.share), height - bottom + 16, "middle", label.text)
    }.joined(separator: "\n")
  }

  static func drawing(_ title: String, _ content: [String]) -> String {
    "<svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" "
      + "aria-label=\"\(Markup.escape(title))\">\n\(content.joined(separator: "\n"))\n</svg>"
  }
}

/// What a chart over time shows for each point of the timeline.
struct TimeChart {
  struct Series {
    let name: String
    /// The class in the style sheet that gives the colour.
    let kind: String
    /// Nil where there is nothing to show.
    let values: [Double?]
  }

  let title: String
  let unit: String
  /// Seconds of a point and of the run.
  let interval: Double
  let seconds: Double
  let series: [Series]

  private var length: Double { max(seconds, interval) }

  private var timeAxis: String {
    let times = ChartScale.times(upTo: length)
    let step = times.count > 1 ? times[1] - times[0] : length
    return ChartFrame.labels(
      times.map { ($0 / length, ChartScale.timeLabel($0, step: step)) })
  }

  /// The middle of a point.
  private func x(_ index: Int) -> Double {
    ChartFrame.x(min((Double(index) + 0.5) * interval / length, 1))
  }

  /// Nil when nothing is to be shown.
  var lines: String? {
    let values = series.flatMap { $0.values.compactMap { $0 } }
    guard let maximum = values.max() else { return nil }
    let frame = ChartFrame(maximum: maximum)
    let paths = series.map { path($0, frame) }
    return figure(ChartFrame.drawing(title, [frame.grid, timeAxis] + paths + [notes]))
  }

  /// One line, broken where there is nothing; a dot where a value has no neighbours.
  private func path(_ series: Series, _ frame: ChartFrame) -> String {
    var path = ""
    var dots = ""
    var areas = ""
    let floor = Markup.number(frame.y(0))
    for (index, value) in series.values.enumerated() {
      guard let value else { continue }
      let before = index > 0 ? series.values[index - 1] : nil
      let after = index + 1 < series.values.count ? series.values[index + 1] : nil
      let place = "\(Markup.number(x(index))) \(Markup.number(frame.y(value)))"
      path += "\(before == nil ? "M" : "L")\(place)"
      // Ground down to the axis tells the amount of a single line.
      areas += before == nil ? "M\(Markup.number(x(index))) \(floor)" : ""
      areas += "L\(place)"
      areas += after == nil ? "L\(Markup.number(x(index))) \(floor)Z" : ""
      if before == nil, after == nil {
        let (cx, cy) = (Markup.number(x(index)), Markup.number(frame.y(value)))
        dots += "<circle class=\"dot \(series.kind)\" cx=\"\(cx)\" cy=\"\(cy)\" r=\"2.5\"/>"
      }
    }
    let area = self.series.count > 1 ? "" : "<path class=\"area \(series.kind)\" d=\"\(areas)\"/>"
    return area + "<path class=\"line \(series.kind)\" d=\"\(path)\"/>" + dots
  }

  /// Columns that stand on each other; nil when all are empty.
  var columns: String? {
    let count = series.map(\.values.count).max() ?? 0
    let sums = (0..<count).map { index in series.reduce(0) { $0 + ($1.values[index] ?? 0) } }
    guard let maximum = sums.max(), maximum > 0 else { return nil }
    let frame = ChartFrame(maximum: maximum)
    let width = ChartFrame.innerWidth * interval / length
    let gap = min(2, width * 0.2)
    var bars: [String] = []
    for index in 0..<count {
      var below = 0.0
      for series in series {
        guard let value = series.values[index], value > 0 else { continue }
        let left = ChartFrame.x(Double(index) * interval / length)
        let right = min(left + width, ChartFrame.width - ChartFrame.right)
        bars.append(
          Markup.rectangle(
            left + gap / 2, frame.y(below + value), right - left - gap,
            frame.y(below) - frame.y(below + value), "bar \(series.kind)"))
        below += value
      }
    }
    return figure(ChartFrame.drawing(title, [frame.grid, timeAxis] + bars + [notes]))
  }

  /// Unseen columns that tell their values to a pointer.
  private var notes: String {
    let count = series.map(\.values.count).max() ?? 0
    return (0..<count).map { index in
      let values = series.compactMap { series in
        series.values[index].map { "\(series.name): \($0.short) \(unit)" }
      }
      guard !values.isEmpty else { return "" }
      let start = Double(index) * interval
      let time = "\(start.fixed(interval < 1 ? 2 : 0)) s"
      let left = ChartFrame.x(min(start / length, 1))
      let right = ChartFrame.x(min((start + interval) / length, 1))
      return Markup.rectangle(
        left, ChartFrame.top, right - left, ChartFrame.innerHeight, "note",
        note: ([time] + values).joined(separator: "\n"))
    }.joined(separator: "\n")
  }

  private func figure(_ drawing: String) -> String {
    let legend = series.count < 2 ? "" : Self.legend(series.map { ($0.name, $0.kind) })
    return "<figure><figcaption><b>\(Markup.escape(title))</b> "
      + "<span>\(Markup.escape(unit))</span>\(legend)</figcaption>\(drawing)</figure>"
  }

  static func legend(_ entries: [(name: String, kind: String)]) -> String {
    "<span class=\"legend\">"
      + entries.map { "<i class=\"\($0.kind)\"></i>\(Markup.escape($0.name))" }.joined(
        separator: " ") + "</span>"
  }
}
