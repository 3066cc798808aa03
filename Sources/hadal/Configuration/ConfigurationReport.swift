// `hadal serve --print-config`: what is in force and where it comes from, as a file to start from.

/// Effective values as YAML.
struct ConfigurationReport {
  let values: [ConfiguredValue]

  /// A line for each key with its origin as a comment. Reading it back gives the same values, but
  /// for secrets, which are not shown.
  var text: String {
    let lines = values.compactMap { value -> String? in
      guard value.key.name != ConfigurationKeys.file else { return nil }
      if value.key.isSecret, !value.texts.isEmpty {
        return "\(value.key.name): null  # \(value.origin), not shown\n"
      }
      return "\(value.key.name): \(yaml(value))  # \(value.origin)\n"
    }
    return lines.joined()
  }

  private func yaml(_ value: ConfiguredValue) -> String {
    if value.key.isRepeating {
      return "[" + value.texts.map(scalar).joined(separator: ", ") + "]"
    }
    guard let text = value.texts.first else { return "null" }
    return value.key.isFlag ? text : scalar(text)
  }

  /// Quoted where readers of YAML would take it for something else than this text or number.
  private func scalar(_ text: String) -> String {
    let words: Set = ["", "null", "true", "false", "yes", "no", "on", "off", "y", "n"]
    let isPlain =
      text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."), UInt8(ascii: "/"),
          UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      } && !text.hasPrefix("-") && !words.contains(text.lowercased())
    return isPlain ? text : quoted(text)
  }

  /// YAML's double-quoted style, which can hold every character.
  private func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case "\0"..."\u{1f}", "\u{7f}"..."\u{9f}", "\u{2028}", "\u{2029}", "\u{feff}":
        let hex = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
