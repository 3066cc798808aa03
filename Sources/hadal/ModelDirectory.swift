// Where a model's files are, and what the small ones among them say.

import JSON
import OpenAIAPI
import Platform
import Text
import Weights

/// Why a command cannot go on, in words for its user.
struct CommandError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// The files of a model directory besides its weights.
struct ModelDirectory {
  let path: String
  /// What clients call the model: the last part of the path.
  let name: String

  /// Larger than any released file of its kind.
  private static let fileLimit = 64 << 20

  /// The given directory, or that of the bundled demo model.
  init(_ given: String?) throws {
    if let given {
      path = given.count > 1 && given.hasSuffix("/") ? String(given.dropLast()) : given
      name = path.split(separator: "/").last.map(String.init) ?? path
    } else if let bundled = try Self.bundledModel() {
      (path, name) = (bundled, "hadal-demo")
    } else {
      throw CommandError(
        "the bundled demo model (Models/demo) was not found; name one with --model")
    }
  }

  /// `Models/demo` in a folder above the program, as in a checkout.
  private static func bundledModel() throws -> String? {
    var folder = try ProgramPath.executable()[...]
    while let slash = folder.lastIndex(of: "/") {
      folder = folder[..<slash]
      let candidate = folder + "/Models/demo"
      if FileReader.exists(candidate + "/config.json") { return String(candidate) }
    }
    return nil
  }

  func read(_ name: String) throws -> [UInt8]? {
    let file = path + "/" + name
    return FileReader.exists(file) ? try FileReader.read(file, limit: Self.fileLimit) : nil
  }

  /// Nil for a model without tokenizer.json: it speaks token ids only.
  func tokenizer() throws -> Tokenizer? {
    guard let bytes = try read("tokenizer.json") else { return nil }
    return try Tokenizer(
      tokenizer: bytes, configuration: try read("tokenizer_config.json"),
      chatTemplate: try read("chat_template.jinja"))
  }

  /// `generation_config.json`; empty when there is none.
  func generationConfiguration() throws -> JSONValue {
    guard let bytes = try read("generation_config.json") else { return [:] }
    do {
      return try JSONValue(parsing: bytes)
    } catch {
      throw CommandError("\(path)/generation_config.json: \(error)")
    }
  }
}
