// What the API needs to know of the model it serves.

import JSON
import Serving
import Text

/// A loaded model behind a running engine.
public struct ServedModel: Sendable {
  /// The name that requests give as `model`.
  public let name: String
  /// Names what computes, such as program version and precision; answers repeat it.
  public let fingerprint: String?
  /// Absent when the checkpoint has none: prompts are token ids then, and answers carry ids.
  public let tokenizer: Tokenizer?
  /// Absent when the checkpoint's chat template is unknown and none was picked.
  public let chatFormat: ChatFormat?
  public let defaults: GenerationDefaults
  /// Token ids that end an answer.
  public let endTokens: Set<Int32>
  public let vocabularySize: Int
  public let engine: EngineHandle
  /// How its answers have ended so far.
  let answers: AnswerCounts
  /// What was asked for so far, and how that was answered.
  package let requests: RequestCounts

  /// - Parameters:
  ///   - endTokens: end-of-sequence ids of the checkpoint, each below `vocabularySize`.
  ///   - engine: serves the same vocabulary.
  ///   - requests: counts that began before the model was there.
  public init(
    name: String, fingerprint: String? = nil, tokenizer: Tokenizer?, chatFormat: ChatFormat?,
    defaults: GenerationDefaults,
    endTokens: Set<Int32>, vocabularySize: Int, engine: EngineHandle,
    requests: RequestCounts = RequestCounts()
  ) {
    precondition(vocabularySize > 0 && vocabularySize <= Int(Int32.max), "vocabulary size")
    self.name = name
    self.fingerprint = fingerprint
    self.tokenizer = tokenizer
    self.chatFormat = chatFormat
    self.defaults = defaults
    self.endTokens = endTokens
    self.vocabularySize = vocabularySize
    self.engine = engine
    self.requests = requests
    answers = AnswerCounts(contextLength: engine.limits.contextLength)
  }

  /// Positions of one sequence, prompt and answer together.
  var contextLength: Int { engine.limits.contextLength }
}
