// Text to HTML and SVG.

package enum Markup {
  /// Text as the content of an element or attribute: the five characters that mean something there
  /// are escaped, and control characters, which no document may hold, become spaces.
  package static func escape(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      case "'": escaped += "&#39;"
      case _ where scalar.properties.generalCategory == .control: escaped += " "
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }

  /// A coordinate: a tenth of a pixel is finer than anybody sees.
  static func number(_ value: Double) -> String {
    let tenths = Int((min(max(value, -1e6), 1e6) * 10).rounded())
    let sign = tenths < 0 ? "-" : ""
    return "\(sign)\(abs(tenths) / 10).\(abs(tenths) % 10)"
  }

  static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ kind: String)
    -> String
  {
    "<line class=\"\(kind)\" x1=\"\(number(x1))\" y1=\"\(number(y1))\" "
      + "x2=\"\(number(x2))\" y2=\"\(number(y2))\"/>"
  }

  /// - Parameter note: what a pointer that rests on it is told.
  static func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ kind: String,
    note: String? = nil
  ) -> String {
    let open =
      "<rect class=\"\(kind)\" x=\"\(number(x))\" y=\"\(number(y))\" "
      + "width=\"\(number(max(width, 0)))\" height=\"\(number(max(height, 0)))\""
    guard let note else { return open + "/>" }
    return open + "><title>\(escape(note))</title></rect>"
  }

  /// - Parameter anchor: `start`, `middle` or `end`.
  static func text(_ x: Double, _ y: Double, _ anchor: String, _ text: String) -> String {
    "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(escape(text))</text>"
  }

  /// A table; the first row is its header.
  static func table(_ rows: [[String]], kind: String) -> String {
    guard let header = rows.first else { return "" }
    let head = header.map { "<th>\(escape($0))</th>" }.joined()
    let body = rows.dropFirst().map { row in
      "<tr>" + row.map { "<td>\(escape($0))</td>" }.joined() + "</tr>"
    }.joined(separator: "\n")
    return "<div class=\"scroll\"><table class=\"\(kind)\"><thead><tr>\(head)</tr></thead>"
      + "<tbody>\n\(body)\n</tbody></table></div>"
  }
}
