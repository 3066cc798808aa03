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

/// A model directory in Hugging Face layout, or a GGUF file, which holds everything.
struct ModelDirectory {
  let path: String
  /// What clients call the model: the last part of the path, or what a GGUF file calls itself.
  let name: String
  private let gguf: GGUFModel?

  /// Larger than any released file of its kind.
  private static let fileLimit = 64 << 20

  /// What was given, or the directory of the bundled demo model.
  init(_ given: String?) throws {
    if let given, Self.isFile(given) {
      let model = try GGUFModel(path: given)
      (path, name, gguf) = (given, model.name, model)
    } else if let given {
      path = given.count > 1 && given.hasSuffix("/") ? String(given.dropLast()) : given
      name = path.split(separator: "/").last.map(String.init) ?? path
      gguf = nil
    } else if let bundled = try Self.bundledModel() {
      (path, name, gguf) = (bundled, "hadal-demo", nil)
    } else {
      throw CommandError(
        "the bundled demo model (Models/demo) was not found; name one with --model")
    }
  }

  /// What is there counts, else the name: GGUF files need not end in .gguf.
  private static func isFile(_ path: String) -> Bool {
    FileReader.exists(path) ? !FileStatus.isDirectory(path) : path.hasSuffix(".gguf")
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

  /// Whether this is a GGUF file.
  var isGGUF: Bool { gguf != nil }

  /// Maps the weights.
  func checkpoint() throws -> Checkpoint {
    if let gguf { return try gguf.checkpoint() }
    return try Checkpoint.open(directory: path)
  }

  /// The file that packed weights are kept in.
  var packedPath: String { gguf == nil ? path + "/hadal.packed" : path + ".packed" }

  /// One of the directory's small files; nil when it is not there.
  func read(_ name: String) throws -> [UInt8]? {
    let file = path + "/" + name
    return FileReader.exists(file) ? try FileReader.read(file, limit: Self.fileLimit) : nil
  }

  /// Nil for a model without tokenizer: it speaks token ids only.
  func tokenizer() throws -> Tokenizer? {
    if let gguf {
      guard let vocabulary = try GGUFVocabulary(gguf.metadata) else { return nil }
      do { return try Tokenizer(vocabulary) } catch { throw CommandError("\(path): \(error)") }
    }
    guard let bytes = try read("tokenizer.json") else { return nil }
    return try Tokenizer(
      tokenizer: bytes, configuration: try read("tokenizer_config.json"),
      chatTemplate: try read("chat_template.jinja"))
  }

  /// The recommended sampling parameters.
  func generationDefaults() throws -> GenerationDefaults {
    guard let gguf else { return try GenerationDefaults(json: try generationConfiguration()) }
    let configuration = try gguf.generationConfiguration()
    do { return try GenerationDefaults(json: configuration) } catch {
      throw CommandError("\(path): general.sampling: \(error.reason)")
    }
  }

  /// `generation_config.json`; empty when there is none.
  private func generationConfiguration() throws -> JSONValue {
    guard let bytes = try read("generation_config.json") else { return [:] }
    do {
      return try JSONValue(parsing: bytes)
    } catch {
      throw CommandError("\(path)/generation_config.json: \(error)")
    }
  }
}
