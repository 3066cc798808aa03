// Flags before environment before file before defaults. The lower layers become arguments, which
// the argument parser checks like those of a user, and what it refuses is traced to its origin.

import ArgumentParser

/// Where a value comes from.
enum ConfigurationOrigin: CustomStringConvertible {
  case flag
  case environment(String)
  case file(path: String, line: Int)
  case byDefault

  var description: String {
    switch self {
    case .flag: "flag"
    case .environment(let variable): "environment \(variable)"
    case .file(let path, let line): "\(path):\(line)"
    case .byDefault: "default"
    }
  }
}

/// What a layer says of a key.
struct ConfiguredValue {
  let key: ConfigurationKey
  /// One text, or any number for a repeating key; true or false for a flag.
  let texts: [String]
  let origin: ConfigurationOrigin
}

/// A command line, and the layers below it.
struct ConfigurationLayers {
  /// The command's name, or whatever stands first.
  private let command: [String]
  private let flags: [String]
  /// Of the layers below the flags, where no higher layer has a value for the same key.
  private let lower: [ConfiguredValue]
  /// What the flags say.
  private let given: [ConfiguredValue]
  private let keys: ConfigurationKeys

  /// - Parameters:
  ///   - arguments: without the program's name.
  ///   - environment: variables by name.
  /// - Throws: `ValidationError` or `PlatformError`, with the variable, or file and line.
  init(_ arguments: [String], environment: [String: String]) throws {
    command = Array(arguments.prefix(1))
    flags = Array(arguments.dropFirst())
    let commands = try ConfigurationKeys.ofCommands()
    guard let name = command.first, let served = commands["serve"],
      let keys = commands[name]?.common(with: served),
      !flags.contains(where: ["-h", "--help"].contains)
    else {
      (lower, given, keys) = ([], [], .none)
      return
    }
    self.keys = keys
    given = Self.values(ofFlags: flags, keys)
    // What belongs to other commands is checked all the same, then left to them.
    var layers = given
    layers += try ConfigurationEnvironment(variables: environment, keys: served).values()
    if let path = layers.first(where: { $0.key.name == ConfigurationKeys.file })?.texts.last {
      layers += try ConfigurationFile(path: path, keys: served).values()
    }
    var seen = Set(given.map(\.key.name))
    lower = layers.dropFirst(given.count).filter {
      keys[$0.key.name] != nil && seen.insert($0.key.name).inserted
    }
  }

  /// The command with all layers.
  /// - Throws: what the argument parser refuses; with its origins when it came from a lower layer.
  func parse() throws -> any ParsableCommand {
    do {
      return try Hadal.parseAsRoot(arguments(lower))
    } catch {
      let message = Hadal.message(for: error)
      let origins = lower.indices.filter { refusal(without: $0) != message }
      guard !origins.isEmpty else { throw error }
      let names = origins.map { lower[$0].origin.description }.joined(separator: ", ")
      throw ValidationError("\(names): \(message)")
    }
  }

  /// Why the command is refused when one value is left out; nil when it is not.
  private func refusal(without index: Int) -> String? {
    var rest = lower
    rest.remove(at: index)
    do {
      _ = try Hadal.parseAsRoot(arguments(rest))
      return nil
    } catch {
      return Hadal.message(for: error)
    }
  }

  private func arguments(_ values: [ConfiguredValue]) -> [String] {
    command + values.flatMap { $0.key.arguments($0.texts) } + flags
  }

  /// What the flags say, one value for each key. Only of use when the argument parser accepts them.
  private static func values(
    ofFlags flags: [String], _ keys: ConfigurationKeys
  ) -> [ConfiguredValue] {
    var texts: [String: [String]] = [:]
    var rest = flags[...]
    while let word = rest.popFirst(), word != "--" {
      guard word.hasPrefix("--") else { continue }
      let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1)
      let name = parts.first.map(String.init) ?? ""
      if let key = keys[name] {
        let text: String?
        if key.isFlag {
          text = "true"
        } else {
          text = word.contains("=") ? parts.dropFirst().first.map(String.init) : rest.popFirst()
        }
        texts[name] = (key.isRepeating ? texts[name] ?? [] : []) + [text ?? ""]
      } else if name.hasPrefix("no-"), let key = keys[String(name.dropFirst(3))], key.isFlag {
        texts[key.name] = ["false"]
      }
    }
    return keys.all.compactMap { key in
      texts[key.name].map { ConfiguredValue(key: key, texts: $0, origin: .flag) }
    }
  }

  /// The value in force for each key, in the order of the command's help.
  var effective: [ConfiguredValue] {
    let values = Dictionary((given + lower).map { ($0.key.name, $0) }) { first, _ in first }
    return keys.all.map { key in
      values[key.name]
        ?? ConfiguredValue(
          key: key, texts: key.defaultValue.map { [$0] } ?? [], origin: .byDefault)
    }
  }
}
