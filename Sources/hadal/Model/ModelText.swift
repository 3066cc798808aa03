// What the API and the command line know of a model besides its weights.

import DeepSeek
import OpenAIAPI
import Text

/// Tokenizer, chat format and defaults of a model.
struct ModelText {
  let tokenizer: Tokenizer?
  /// Nil when the chat template is none that is known and no format was picked.
  let chatFormat: ChatFormat?
  let defaults: GenerationDefaults
  /// Tokens that end an answer: those of generation_config.json, else of config.json.
  let endTokens: Set<Int32>

  /// What is wrong where a text is to become tokens and there is no tokenizer.
  static let noTokenizer =
    "the model has no tokenizer (tokenizer.json in a directory, tokenizer.ggml keys in a GGUF file)"

  init(
    _ directory: ModelDirectory, _ configuration: ModelConfiguration, chatFormat: ChatFormat? = nil
  ) throws {
    tokenizer = try directory.tokenizer()
    let template = tokenizer?.chatTemplate
    self.chatFormat = chatFormat ?? template.flatMap { ChatFormat.detect(template: $0) }
    defaults = try directory.generationDefaults()
    endTokens = Set(defaults.endTokens ?? configuration.endTokens)
    if let beyond = endTokens.first(where: { $0 >= configuration.vocabularySize }) {
      throw CommandError(
        """
        eos_token_id \(beyond) lies beyond the vocabulary of \(configuration.vocabularySize) tokens
        """)
    }
    if let tokenizer, tokenizer.vocabularySize > configuration.vocabularySize {
      throw CommandError(
        """
        the tokenizer has ids up to \(tokenizer.vocabularySize - 1), but the model's vocabulary \
        ends at \(configuration.vocabularySize - 1)
        """)
    }
  }
}
