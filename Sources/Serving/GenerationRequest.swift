// What the engine is asked for, in token ids.

import Sampling

/// Number of one sequence, unique within the life of an engine.
public struct SequenceID: Hashable, Sendable {
  let rawValue: Int
}

/// One answer to one prompt. A request with `n` choices is `n` of these.
public struct GenerationRequest: Sendable {
  /// At least one token, each below the vocabulary size.
  public var prompt: [Int32]
  public var sampling: SamplingParameters
  /// Index among the choices of one prompt.
  public var choice: Int
  /// The most tokens to generate; 0 only evaluates the prompt.
  public var maxTokens: Int
  /// Tokens that end the answer; the ending token is the last one sent.
  public var stopTokens: Set<Int32>
  /// How many alternatives to report with each token's log-probability; nil reports none at all.
  public var logprobs: Int?
  /// The same for the tokens of the prompt, from the second on.
  public var promptLogprobs: Int?
  /// Requests of a lower number go first; among equal ones clients take turns, and those of one
  /// client go in order of arrival.
  public var priority: Int
  /// Whose request it is: any number that is the client's own.
  public var client: Int
  /// Only requests with the same salt share latents, so that tenants cannot observe each other.
  public var cacheSalt: String?
  /// Whether it may find what others left in the prefix cache, and leaves there what it computes.
  public var usesPrefixCache: Bool

  public init(
    prompt: [Int32], sampling: SamplingParameters, choice: Int = 0, maxTokens: Int,
    stopTokens: Set<Int32> = [], logprobs: Int? = nil, promptLogprobs: Int? = nil,
    priority: Int = 0, client: Int = 0, cacheSalt: String? = nil,
    usesPrefixCache: Bool = true
  ) {
    self.prompt = prompt
    self.sampling = sampling
    self.choice = choice
    self.maxTokens = maxTokens
    self.stopTokens = stopTokens
    self.logprobs = logprobs
    self.promptLogprobs = promptLogprobs
    self.priority = priority
    self.client = client
    self.cacheSalt = cacheSalt
    self.usesPrefixCache = usesPrefixCache
  }

  /// Positions that need a latent: the last generated token is never fed back.
  var positionCount: Int { prompt.count + max(maxTokens - 1, 0) }
}

/// Why an answer ended.
public enum FinishReason: Sendable, Equatable {
  /// A stop token was generated.
  case stop
  /// `maxTokens` were generated.
  case length
}

/// What the engine says about one sequence, in order.
public enum GenerationEvent: Sendable, Equatable {
  /// The first event: so many tokens of the prompt need not be computed again.
  case started(cachedTokens: Int)
  /// Log-probabilities of the next tokens of the prompt.
  case prompt([TokenLogprobs])
  case token(Int32, TokenLogprobs?)
  /// The last event.
  case finished(FinishReason)
  /// The last event, too: there will be no answer.
  case failed(PassFailure)
}

/// Why the engine does not take a request.
public enum ServingError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Prompt and answer together exceed the positions of one sequence.
  case contextExceeded(prompt: Int, maxTokens: Int, limit: Int)
  /// As many requests wait as may wait. After so many seconds there should be room.
  case queueFull(limit: Int, retrySeconds: Int)
  /// The engine has lost its state and computes nothing any more.
  case engineFailed

  public var description: String {
    switch self {
    case .contextExceeded(let prompt, let maxTokens, let limit):
      "the prompt has \(prompt) tokens and \(maxTokens) were asked for, the context is \(limit)"
    case .engineFailed: "the engine has failed"
    case .queueFull(let limit, _): "\(limit) requests are already waiting"
    }
  }
}
