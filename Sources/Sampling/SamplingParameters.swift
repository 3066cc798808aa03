// How a request wants its tokens chosen.

/// Parameters of one request, with the meanings of the OpenAI API and, for the rest, of vLLM. The
/// ranges are checked where a request is translated.
public struct SamplingParameters: Sendable, Equatable {
  /// Below 1e-5, as in vLLM, greedy; otherwise logits are divided by it.
  public var temperature: Double = 1
  /// Keeps the smallest set of most likely tokens whose probability reaches this; 1 keeps all.
  public var topP: Double = 1
  /// Keeps this many most likely tokens; 0 keeps all.
  public var topK: Int = 0
  /// Keeps tokens at least this share as likely as the most likely one; 0 keeps all.
  public var minP: Double = 0
  /// Subtracted once from the logit of each token already generated.
  public var presencePenalty: Double = 0
  /// Subtracted from a token's logit once per occurrence in the generated text.
  public var frequencyPenalty: Double = 0
  /// Divides positive and multiplies negative logits of tokens in prompt or generated text.
  public var repetitionPenalty: Double = 1
  /// Added to logits, in the order given.
  public var logitBias: [LogitBias] = []
  public var seed: UInt64 = 0

  /// Plain sampling from the model's distribution.
  public init() {}

  var changesLogits: Bool {
    presencePenalty != 0 || frequencyPenalty != 0 || repetitionPenalty != 1 || !logitBias.isEmpty
  }

  var isGreedy: Bool { temperature < 1e-5 }
}

/// What a request adds to the logit of one token.
public struct LogitBias: Sendable, Equatable {
  /// Token id.
  public let token: Int32
  /// Added to the token's logit.
  public let bias: Double

  public init(token: Int32, bias: Double) {
    self.token = token
    self.bias = bias
  }
}
