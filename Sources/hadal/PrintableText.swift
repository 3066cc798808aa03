// Texts from files, such as the name that a model gives itself, as a terminal may show them.

extension String {
  /// The text without control characters, each of which becomes its number: no file moves the
  /// cursor, and a line stays one.
  var printable: String {
    var text = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      if scalar.properties.generalCategory == .control {
        text.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
      } else {
        text.append(scalar)
      }
    }
    return String(text)
  }
}
