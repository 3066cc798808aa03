// From a GGUF file's metadata to what the API and the command line read from a model directory's
// small files.

import JSON
import Text
import Weights

extension GGUFVocabulary {
  /// nil for a file without tokenizer: it speaks token ids only.
  init?(_ metadata: GGUFMetadata) throws {
    let prefix = "tokenizer.ggml."
    guard let model = try metadata.string(prefix + "model"), model != "none", model != "no_vocab"
    else { return nil }
    func required(_ name: String) throws -> [String] {
      guard let list = try metadata.strings(prefix + name) else {
        throw metadata.failure(prefix + name, "is missing")
      }
      return list
    }
    // A model of another kind is refused by its name, not by what it lacks.
    let isKnown = model == "gpt2"
    self.init(
      model: model, tokens: try required("tokens"), merges: isKnown ? try required("merges") : [])
    preTokenizer = try metadata.string(prefix + "pre")
    tokenTypes = try metadata.integers(prefix + "token_type")
    beginToken = try metadata.integer(prefix + "bos_token_id")
    endToken = try metadata.integer(prefix + "eos_token_id")
    addsBeginToken = try metadata.bool(prefix + "add_bos_token")
    addsEndToken = try metadata.bool(prefix + "add_eos_token")
    chatTemplate = try metadata.string("tokenizer.chat_template")
  }
}

extension GGUFModel {
  /// The recommended sampling parameters (`general.sampling`) under the names of
  /// generation_config.json.
  func generationConfiguration() throws -> JSONValue {
    let names: KeyValuePairs = [
      "temp": "temperature", "top_p": "top_p", "min_p": "min_p",
      "penalty_repeat": "repetition_penalty",
    ]
    var configuration = JSONObject()
    for (name, wanted) in names {
      configuration[wanted] = try metadata.number("general.sampling." + name).map { .double($0) }
    }
    configuration["top_k"] = try metadata.integer("general.sampling.top_k").map { .integer($0) }
    return .object(configuration)
  }
}
