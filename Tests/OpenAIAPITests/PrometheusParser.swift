// A reader of the Prometheus text format written from its specification, stricter than scrapers
// are: every line must belong to the family before it.

/// A sample's name and labels.
struct MetricKey: Hashable {
  let name: String
  let labels: [String: String]
}

struct PrometheusParser {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private(set) var types: [String: String] = [:]
  private(set) var helps: [String: String] = [:]
  private(set) var samples: [MetricKey: Double] = [:]
  private var family = ""

  init(_ text: String) throws {
    guard text.unicodeScalars.last == "\n" else { throw Failure(description: "no last line end") }
    for line in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
      .dropLast()
    {
      var rest = line
      do {
        try read(&rest)
      } catch {
        throw Failure(description: "\(error): \(String(line))")
      }
    }
  }

  private typealias Text = String.UnicodeScalarView.SubSequence

  private mutating func read(_ line: inout Text) throws {
    if skip("# HELP ", &line) {
      family = name(&line)
      guard skip(" ", &line), helps[family] == nil else { throw Failure(description: "help") }
      helps[family] = try unescaped(&line, until: nil)
    } else if skip("# TYPE ", &line) {
      guard name(&line) == family, skip(" ", &line), types[family] == nil,
        ["counter", "gauge", "histogram"].contains(String(line))
      else { throw Failure(description: "type") }
      types[family] = String(line)
    } else {
      try sample(&line)
    }
  }

  private mutating func sample(_ line: inout Text) throws {
    let name = name(&line)
    let isPart =
      types[family] == "histogram"
      && ["_bucket", "_sum", "_count"].contains { name == family + $0 }
    guard isPart || (name == family && types[name] != nil && types[name] != "histogram") else {
      throw Failure(description: "stray sample")
    }
    var labels: [String: String] = [:]
    if skip("{", &line) {
      repeat {
        let label = self.name(&line)
        guard !label.isEmpty, labels[label] == nil, skip("=\"", &line) else {
          throw Failure(description: "label")
        }
        labels[label] = try unescaped(&line, until: "\"")
      } while skip(",", &line)
      guard skip("}", &line) else { throw Failure(description: "open labels") }
    }
    let key = MetricKey(name: name, labels: labels)
    guard skip(" ", &line), samples[key] == nil, let value = number(String(line)) else {
      throw Failure(description: "value")
    }
    samples[key] = value
  }

  private func skip(_ prefix: String, _ rest: inout Text) -> Bool {
    guard rest.starts(with: prefix.unicodeScalars) else { return false }
    rest = rest.dropFirst(prefix.unicodeScalars.count)
    return true
  }

  private func name(_ rest: inout Text) -> String {
    let name = rest.prefix {
      ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0)
        || $0 == "_" || $0 == ":"
    }
    rest = rest.dropFirst(name.count)
    return String(name)
  }

  /// Text up to a closing mark, or to the end of the line.
  private func unescaped(_ rest: inout Text, until end: Unicode.Scalar?) throws -> String {
    var text = ""
    while let scalar = rest.popFirst() {
      if scalar == end { return text }
      guard scalar == "\\" else {
        text.unicodeScalars.append(scalar)
        continue
      }
      switch rest.popFirst() {
      case "\\": text += "\\"
      case "n": text += "\n"
      case "\"" where end != nil: text += "\""
      default: throw Failure(description: "escape")
      }
    }
    guard end == nil else { throw Failure(description: "open quotes") }
    return text
  }

  private func number(_ text: String) -> Double? {
    switch text {
    case "NaN": .nan
    case "+Inf": .infinity
    case "-Inf": -.infinity
    default:
      text.allSatisfy { $0.isNumber || "+-.e".contains($0) } ? Double(text) : nil
    }
  }

  /// The value of a sample with these labels besides those of the model and its only engine.
  func value(_ name: String, _ labels: [String: String] = [:], model: String = "alphabet")
    -> Double?
  {
    samples[
      MetricKey(
        name: name,
        labels: labels.merging(["model_name": model, "engine": "0"]) { own, _ in own })]
  }

  /// The value of a sample that belongs to no model.
  func serverValue(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    samples[MetricKey(name: name, labels: labels)]
  }
}
