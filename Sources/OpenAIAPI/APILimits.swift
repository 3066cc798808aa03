// Every limit and range of this target, in one place. Beyond them a request is refused by name.

public enum APILimits {
  /// Bytes of a request body, for the HTTP layer. Enough for a prompt of a million token ids.
  public static let bodyBytes = 8 << 20
  /// Nested arrays and objects of a request body.
  static let jsonDepth = 32
  /// Answers per prompt.
  static let choicesPerPrompt = 128
  /// Prompts of one completion request.
  static let prompts = 256
  /// Answers of one request: prompts times `n`. The engine's queue may set less.
  static let choices = 256
  /// Messages of one conversation.
  static let messages = 4096
  /// Text parts of one message.
  static let contentParts = 256
  /// Tool calls of one message.
  static let toolCalls = 128
  /// Stop strings, the bytes of each, and stop tokens.
  static let stopStrings = 16
  static let stopStringBytes = 1024
  static let stopTokens = 256
  static let logitBiasEntries = 1024
  /// Ranks in the queue; wide enough for a time in seconds.
  static let priority = Int(Int32.min)...Int(Int32.max)
  /// Bytes of the name under which a tenant's prompts are cached.
  static let cacheSaltBytes = 256
  /// Alternatives reported per token.
  static let topLogprobs = 20
  /// Log-probabilities of prompt tokens in one answer: prompt tokens x answers x alternatives.
  static let promptLogprobs = 1 << 20
  /// Tokens of one request to detokenize.
  static let detokenizedTokens = 1 << 20
  /// Labels of a request; OpenAI's own limit.
  static let metadataEntries = 16
  /// Bytes of an object key that an error message repeats.
  static let quotedBytes = 200
  /// Bytes of a path or user agent that the access log repeats.
  static let loggedBytes = 512
  /// Bytes of prompts, and of answers, that one line of the access log repeats when it is to.
  static let loggedTextBytes = 32 << 10
  /// Characters of a request id that a client chooses.
  static let requestIDBytes = 128
  /// Seconds that one engine step may last before the server calls itself unhealthy. A step is
  /// one pass of all answers and some layers of one chunk of prompts, which takes far less on any
  /// machine that is fit to serve.
  public static let stepSeconds = 120.0

  /// API keys that may come in, the bytes of each and of its name, and of a file of keys.
  package static let apiKeys = 4096
  static let apiKeyBytes = 512
  static let apiKeyNameBytes = 64
  public static let apiKeyFileBytes = 4 << 20
  /// What a rate limit or a limit of concurrent requests may be.
  public static let rate = 1...1_000_000_000
  /// Clients whose rates are told apart.
  package static let trackedClients = 1 << 16
  /// Tokens that are reserved at most for an answer whose length nobody knows yet.
  static let expectedAnswerTokens = 512

  /// The ranges of the OpenAI API, and of vLLM for the fields that are not OpenAI's.
  static let temperature = 0.0...2.0
  static let share = 0.0...1.0
  static let penalty = -2.0...2.0
  static let repetitionPenalty = 0.01...100.0
  static let bias = -100.0...100.0
  /// The log-probability written for less, as in vLLM: JSON has no infinity.
  static let lowestLogprob = -9999.0
}
