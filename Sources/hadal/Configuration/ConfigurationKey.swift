// What can be configured: the options that the commands declare, under their long names. There is
// no second list; a new option is a new key.

import ArgumentParser
import JSON

/// An option of a command, as a configuration sees it.
struct ConfigurationKey {
  /// The option's long name, without dashes.
  let name: String
  /// Given without a value: true or false elsewhere.
  let isFlag: Bool
  /// Whether a flag has a counterpart `--no-NAME`.
  let isNegatable: Bool
  /// May be given several times, each time with one value.
  let isRepeating: Bool
  /// Whether its value must not be shown.
  let isSecret: Bool
  /// As an argument would say it; nil when there is none.
  let defaultValue: String?

  /// The variable of the environment that sets it.
  var variable: String {
    ConfigurationKeys.variablePrefix + name.uppercased().map { $0 == "-" ? "_" : $0 }
  }

  /// The arguments that give these values.
  func arguments(_ values: [String]) -> [String] {
    guard isFlag else { return values.map { "--\(name)=\($0)" } }
    if values == ["true"] { return ["--\(name)"] }
    return isNegatable ? ["--no-\(name)"] : []
  }
}

/// The keys of a command.
struct ConfigurationKeys {
  let all: [ConfigurationKey]
  private let byName: [String: ConfigurationKey]

  static let variablePrefix = "HADAL_"
  /// Names the file of values; the one option that the environment gives and the file does not.
  static let file = "config"
  /// Options that ask the program for something instead of setting it up.
  private static let requests: Set = ["help", "version", "print-config"]

  /// - Parameter command: an element of `subcommands` of what `_dumpHelp` prints.
  init(_ command: JSONValue) {
    let options = command["arguments"]?.arrayValue ?? []
    let names = Set(options.compactMap(Self.longName))
    all = options.compactMap { option in
      guard let name = Self.longName(option), !Self.requests.contains(name) else { return nil }
      let isFlag = option["kind"]?.stringValue == "flag"
      if isFlag, name.hasPrefix("no-"), names.contains(String(name.dropFirst(3))) { return nil }
      let text = option["defaultValue"]?.stringValue
      return ConfigurationKey(
        name: name, isFlag: isFlag, isNegatable: isFlag && names.contains("no-\(name)"),
        isRepeating: option["isRepeating"]?.boolValue ?? false, isSecret: Self.isSecret(option),
        // A flag with a counterpart has the argument itself as default.
        defaultValue: isFlag ? "\(text == "true" || text == "--\(name)")" : text)
    }
    byName = Dictionary(all.map { ($0.name, $0) }) { first, _ in first }
  }

  /// For commands that take no configuration.
  static var none: ConfigurationKeys { ConfigurationKeys([ConfigurationKey]()) }

  private init(_ keys: [ConfigurationKey]) {
    all = keys
    byName = Dictionary(keys.map { ($0.name, $0) }) { first, _ in first }
  }

  /// The keys of each command that takes a configuration, by the command's name.
  static func ofCommands() throws -> [String: ConfigurationKeys] {
    let description = try JSONValue(parsing: Array(Hadal._dumpHelp().utf8))
    var commands: [String: ConfigurationKeys] = [:]
    for command in description["command"]?["subcommands"]?.arrayValue ?? [] {
      let keys = ConfigurationKeys(command)
      guard let name = command["commandName"]?.stringValue, keys[file] != nil else { continue }
      commands[name] = keys
    }
    return commands
  }

  private static func longName(_ option: JSONValue) -> String? {
    option["names"]?.arrayValue?.first { $0["kind"]?.stringValue == "long" }?["name"]?.stringValue
  }

  /// What the help calls a key, such as `--api-key <key>`; a file with a key is a `<file>`.
  private static func isSecret(_ option: JSONValue) -> Bool {
    let words = option["valueName"]?.stringValue?.split(separator: "-") ?? []
    return ["key", "secret", "password"].contains(words.last)
  }

  subscript(name: String) -> ConfigurationKey? { byName[name] }

  /// The end of a refusal: the nearest key that a file may hold.
  func suggestion(_ name: String) -> String {
    let words = all.map(\.name).filter { $0 != Self.file }
    return EditDistance.nearest(to: name, of: words).map { "; did you mean '\($0)'?" } ?? ""
  }

  /// Those that another command has as well.
  func common(with other: ConfigurationKeys) -> ConfigurationKeys {
    ConfigurationKeys(all.filter { other[$0.name] != nil })
  }
}
