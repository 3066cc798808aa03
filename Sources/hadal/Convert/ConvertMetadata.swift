// What a converted file says of its model besides the tensors: keys of docs/gguf.md in
// github.com/ggml-org/ggml.

import DeepSeek
import OpenAIAPI
import Text
import Weights

extension ModelDirectory {
  /// The metadata of a file of this directory's model.
  func exportMetadata(
    _ configuration: ModelConfiguration, _ type: ExportType
  ) throws -> ExportMetadata {
    let defaults = try generationDefaults()
    var metadata = ExportMetadata()
    metadata.add("general.architecture", .string("deepseek2"))
    metadata.add("general.type", .string("model"))
    metadata.add("general.name", .string(name))
    metadata.add("general.file_type", count: type.fileType)
    metadata.add("general.quantization_version", count: 2)
    metadata.add(contentsOf: defaults.exportMetadata)
    metadata.add(contentsOf: configuration.exportMetadata)
    let ends = defaults.endTokens ?? configuration.endTokens
    if let vocabulary = try vocabulary(for: configuration, end: ends.first) {
      metadata.add(contentsOf: vocabulary.exportMetadata)
      metadata.addEnds(ends, first: vocabulary.endToken)
    } else {
      metadata.add("tokenizer.ggml.model", .string("none"))
      metadata.add("tokenizer.ggml.bos_token_id", token: configuration.beginToken)
      metadata.addEnds(ends, first: ends.first)
    }
    return metadata
  }

  /// Nil for a model without tokenizer.json.
  private func vocabulary(
    for configuration: ModelConfiguration, end: Int32?
  ) throws -> VocabularyExport? {
    guard let bytes = try read("tokenizer.json") else { return nil }
    return try VocabularyExport(
      tokenizer: bytes, configuration: try read("tokenizer_config.json"),
      chatTemplate: try read("chat_template.jinja"),
      vocabularySize: configuration.vocabularySize, begin: configuration.beginToken, end: end)
  }
}

extension ExportMetadata {
  fileprivate mutating func add(_ key: String, token: Int32?) {
    add(key, count: token.map(Int.init))
  }

  /// The tokens that end an answer. Readers stop at each of the three that the format has room for:
  /// the end of the text, of a turn, and of a message.
  fileprivate mutating func addEnds(_ ends: [Int32], first: Int32?) {
    let others = ends.filter { $0 != first }
    for (name, token) in zip(["eos", "eot", "eom"], [first] + others) {
      add("tokenizer.ggml.\(name)_token_id", token: token)
    }
  }
}

extension GenerationDefaults {
  /// The recommended sampling parameters.
  fileprivate var exportMetadata: ExportMetadata {
    var metadata = ExportMetadata()
    func name(_ key: String) -> String { "general.sampling." + key }
    metadata.add(name("temp"), temperature.map { .float(Float($0)) })
    metadata.add(name("top_p"), topP.map { .float(Float($0)) })
    metadata.add(name("min_p"), minP.map { .float(Float($0)) })
    metadata.add(name("penalty_repeat"), repetitionPenalty.map { .float(Float($0)) })
    // Zero and less mean no limit.
    metadata.add(name("top_k"), topK.flatMap { $0 > 0 ? .integer(Int32(clamping: $0)) : nil })
    return metadata
  }
}

extension VocabularyExport {
  fileprivate var exportMetadata: ExportMetadata {
    var metadata = ExportMetadata()
    func name(_ key: String) -> String { "tokenizer.ggml." + key }
    metadata.add(name("model"), .string("gpt2"))
    metadata.add(name("pre"), .string(preTokenizer))
    metadata.add(name("tokens"), .strings(tokens))
    metadata.add(name("token_type"), .integers(kinds.map(\.rawValue)))
    metadata.add(name("merges"), .strings(merges))
    metadata.add(name("bos_token_id"), token: beginToken)
    metadata.add(name("padding_token_id"), token: paddingToken)
    metadata.add(name("add_bos_token"), .bool(addsBeginToken))
    metadata.add(name("add_eos_token"), .bool(addsEndToken))
    metadata.add("tokenizer.chat_template", chatTemplate.map { .string($0) })
    return metadata
  }
}
