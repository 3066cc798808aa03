// The text format of Prometheus, version 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats).

import Serving

/// Writes families of metrics, each with its help, its type and its samples.
package struct PrometheusText {
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  package enum Kind: String {
    case counter
    case gauge
    case histogram
  }

  package typealias Label = (name: String, value: String)

  /// What has been written.
  package private(set) var text = ""
  /// Labels that every sample from now on carries.
  package var labels: [Label] { didSet { common = Self.written(labels) } }
  private var common: String

  package init(labels: [Label]) {
    self.labels = labels
    common = Self.written(labels)
  }

  /// Writes a family with one sample.
  package mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
    begin(name, kind, help)
    sample(name, value: value)
  }

  /// Begins a family; its samples follow. A name is begun once.
  package mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n"
    text += "# TYPE \(name) \(kind.rawValue)\n"
  }

  package mutating func sample(_ name: String, _ labels: Label..., value: Double) {
    sample(name, labels, value: value)
  }

  package mutating func sample(_ name: String, _ labels: [Label], value: Double) {
    let all = [common, Self.written(labels)].filter { !$0.isEmpty }.joined(separator: ",")
    text += all.isEmpty ? name : "\(name){\(all)}"
    text += " \(Self.written(value))\n"
  }

  /// Writes a family with one histogram.
  package mutating func add(_ name: String, _ help: String, _ histogram: Histogram) {
    begin(name, .histogram, help)
    for (bound, count) in zip(histogram.bounds, histogram.cumulativeCounts) {
      sample("\(name)_bucket", ("le", Self.written(bound)), value: Double(count))
    }
    sample("\(name)_bucket", ("le", "+Inf"), value: Double(histogram.count))
    sample("\(name)_sum", value: histogram.sum)
    sample("\(name)_count", value: Double(histogram.count))
  }

  private static func written(_ labels: [Label]) -> String {
    labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
  }

  /// Numbers are those of Go, whose infinities have a sign and a capital.
  private static func written(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    return value.description
  }

  /// Help texts escape backslash and line feed, label values the double quote too.
  private static func escaped(_ text: String, quotes: Bool) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\"" where quotes: escaped += "\\\""
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
