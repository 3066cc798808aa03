// The layer of the environment: variables that begin with HADAL_.

import ArgumentParser

/// Reads variables such as HADAL_KV_TOKENS.
struct ConfigurationEnvironment {
  let variables: [String: String]
  let keys: ConfigurationKeys

  /// Variables that are no options: what they hold must not stand on a command line.
  static let secrets: Set = ["HADAL_API_KEYS"]

  /// The values of the environment, in the order of their names. An empty variable counts as
  /// absent: compose files and unit files cannot leave one out.
  func values() throws -> [ConfiguredValue] {
    let known = Dictionary(keys.all.map { ($0.variable, $0) }) { first, _ in first }
    return try variables.sorted { $0.key < $1.key }.compactMap { variable, text in
      guard variable.hasPrefix(ConfigurationKeys.variablePrefix),
        !Self.secrets.contains(variable)
      else { return nil }
      guard let key = known[variable] else {
        throw ValidationError("unknown variable \(variable)" + suggestion(variable))
      }
      return text.isEmpty ? nil : try value(key, text)
    }
  }

  private func value(_ key: ConfigurationKey, _ text: String) throws -> ConfiguredValue {
    var texts = [text]
    if key.isRepeating {
      texts = text.split(separator: ",").map(String.init)
    } else if key.isFlag {
      guard let word = ["1": "true", "true": "true", "0": "false", "false": "false"][text] else {
        throw ValidationError("\(key.variable) is true or false")
      }
      texts = [word]
    }
    return ConfiguredValue(key: key, texts: texts, origin: .environment(key.variable))
  }

  private func suggestion(_ variable: String) -> String {
    let words = keys.all.map(\.variable) + Self.secrets.sorted()
    return EditDistance.nearest(to: variable, of: words).map { "; did you mean \($0)?" } ?? ""
  }
}
