// How numbers and foreign text are shown to people.

import Glibc

extension Double {
  /// With so many digits after the point, and commas between thousands.
  package func fixed(_ digits: Int) -> String {
    guard isFinite, magnitude < 1e15 else { return "-" }
    let scale = pow(10, Double(digits))
    let scaled = Int((magnitude * scale).rounded())
    let whole = Int(scale)
    var text = Self.grouped(scaled / whole)
    if digits > 0 {
      let fraction = String(scaled % whole)
      text += "." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
    return self < 0 && scaled > 0 ? "-" + text : text
  }

  /// With about three significant digits.
  package var short: String {
    switch magnitude {
    case 100...: fixed(0)
    case 10..<100: fixed(1)
    case 0: "0"
    default: fixed(2)
    }
  }

  private static func grouped(_ number: Int) -> String {
    let digits = Array(String(number))
    return digits.indices.reduce(into: "") { text, index in
      if index > 0, (digits.count - index).isMultiple(of: 3) { text += "," }
      text.append(digits[index])
    }
  }
}

extension String {
  /// Foreign text made harmless for a terminal: control characters, which could move the cursor or
  /// worse, become spaces, and what is too long is cut.
  package func printable(limit: Int) -> String {
    var text = String.UnicodeScalarView()
    for scalar in unicodeScalars.prefix(limit) {
      let isControl = scalar.properties.generalCategory == .control
      let isFormat = scalar.properties.generalCategory == .format
      text.append(isControl || isFormat ? " " : scalar)
    }
    return String(text)
  }
}
