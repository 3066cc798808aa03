// The layer of a file: YAML, one mapping from the names of options to their values.

import ArgumentParser
import Platform
import Yams

/// Reads a file of configuration.
struct ConfigurationFile {
  let path: String
  let keys: ConfigurationKeys

  /// Much larger than every key with a comment.
  private static let sizeLimit = 1 << 20

  /// The values of the file in its order. Keys without value (`null`) are left to lower layers.
  func values() throws -> [ConfiguredValue] {
    let bytes = try FileReader.read(path, limit: Self.sizeLimit)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ValidationError("\(path) is not UTF-8")
    }
    guard let root = try parse(text) else { return [] }
    guard let mapping = root.mapping else {
      throw failure(root, "keys with values are expected, such as 'port: 8080'")
    }
    return try mapping.compactMap { try value(key: $0, $1) }
  }

  /// Nil for a file without content.
  private func parse(_ text: String) throws -> Node? {
    do {
      return try Parser(yaml: text, encoding: .utf8).singleRoot()
    } catch let error as YamlError {
      // The library's own description quotes the file, which may hold what nobody should read.
      switch error {
      case .scanner(let context, let problem, let mark, _),
        .parser(let context, let problem, let mark, _),
        .composer(let context, let problem, let mark, _):
        let prefix = context.map { $0.text + " " } ?? ""
        throw ValidationError("\(path):\(mark.line): \(prefix)\(problem)")
      case .duplicatedKeysInMapping(let keys, let context):
        throw ValidationError(
          "\(path):\(context.mark.line): given twice: \(keys.joined(separator: ", "))")
      case .reader(let problem, _, _, _):
        throw ValidationError("\(path): \(problem)")
      default:
        throw ValidationError("\(path) is not YAML")
      }
    }
  }

  private func value(key node: Node, _ value: Node) throws -> ConfiguredValue? {
    guard let name = node.scalar?.string else { throw failure(node, "a key must be a word") }
    guard let key = keys[name], name != ConfigurationKeys.file else {
      throw failure(node, "unknown key '\(name)'" + keys.suggestion(name))
    }
    let texts: [String]
    switch value {
    case .scalar(let scalar):
      if isNull(scalar) { return nil }
      texts = [scalar.string]
    case .sequence(let sequence):
      guard key.isRepeating else { throw failure(value, "\(name) takes one value, not a list") }
      texts = try sequence.map { element in
        guard let scalar = element.scalar, !isNull(scalar) else {
          throw failure(element, "\(name) takes a list of plain values")
        }
        return scalar.string
      }
    default:
      throw failure(value, "\(name) takes a value, not a section: all keys are on one level")
    }
    if key.isFlag, texts != ["true"], texts != ["false"] {
      throw failure(value, "\(name) is true or false")
    }
    let line = node.mark?.line ?? 0
    return ConfiguredValue(key: key, texts: texts, origin: .file(path: path, line: line))
  }

  private func isNull(_ scalar: Node.Scalar) -> Bool {
    scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
  }

  private func failure(_ node: Node, _ problem: String) -> ValidationError {
    ValidationError("\(path):\(node.mark?.line ?? 0): \(problem)")
  }
}
