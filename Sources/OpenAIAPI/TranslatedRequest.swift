// A generation request between its two forms: JSON has been understood and checked, the engine has
// not been asked yet.

import Sampling
import Serving

/// A prompt as the engine needs it.
package struct Prompt: Equatable {
  /// At least one, each below the vocabulary size.
  package var tokens: [Int32]
  /// As the client wrote it; nil when the client gave tokens.
  package var text: String?
  /// The most tokens to generate.
  package var maxTokens: Int

  package init(tokens: [Int32], text: String? = nil, maxTokens: Int = 0) {
    self.tokens = tokens
    self.text = text
    self.maxTokens = maxTokens
  }
}

/// How the tokens of an answer become text.
package struct TextOptions: Equatable {
  package var stops: [String] = []
  /// Whether what ended the answer, a stop string or a stop token, is part of its text.
  package var includesStop = false
  package var skipsSpecialTokens = true
}

/// What is shown besides the text.
package struct OutputOptions: Equatable {
  /// How many alternatives to report with each token's log-probability; nil reports none at all.
  package var logprobs: Int?
  /// Tokens appear as `token_id:N` instead of their text.
  package var tokensAsIDs = false
  /// The ids of prompt and answer are reported.
  package var tokenIDs = false
  /// The answer begins with the prompt, log-probabilities included.
  package var echo = false
}

/// A streamed answer's extras.
package struct StreamOptions: Equatable {
  /// A last chunk reports the usage.
  package var includesUsage = false
  /// Every chunk reports the usage so far.
  package var includesContinuousUsage = false

  package init(includesUsage: Bool = false, includesContinuousUsage: Bool = false) {
    self.includesUsage = includesUsage
    self.includesContinuousUsage = includesContinuousUsage
  }
}

/// A request of either endpoint, every field checked.
package struct TranslatedRequest: Equatable {
  package var prompts: [Prompt] = []
  package var choicesPerPrompt = 1
  package var sampling = SamplingParameters()
  /// Token ids that end an answer because the checkpoint or the client says so.
  package var endTokens: Set<Int32> = []
  package var stopTokens: Set<Int32> = []
  package var text = TextOptions()
  package var output = OutputOptions()
  /// Requests of a lower number go first.
  package var priority = 0
  /// Only requests of the same salt share what is cached of their prompts.
  package var cacheSalt: String?
  /// Whether prompt and answer are looked up in the prefix cache and kept there.
  package var usesPrefixCache = true
  /// Absent for an answer in one piece.
  package var stream: StreamOptions?

  package init() {}

  /// The answer at `index` among all: those to the first prompt come first.
  func prompt(ofChoice index: Int) -> Prompt { prompts[index / choicesPerPrompt] }

  package var choiceCount: Int { prompts.count * choicesPerPrompt }

  /// What the engine is asked for the answer at `index`.
  /// - Parameter client: whose request it is, among those that take turns.
  package func engineRequest(ofChoice index: Int, client: Int = 0) -> GenerationRequest {
    let prompt = prompt(ofChoice: index)
    return GenerationRequest(
      prompt: prompt.tokens, sampling: sampling, choice: index % choicesPerPrompt,
      maxTokens: prompt.maxTokens, stopTokens: endTokens.union(stopTokens),
      logprobs: output.logprobs, promptLogprobs: output.echo ? output.logprobs : nil,
      priority: priority, client: client, cacheSalt: cacheSalt,
      usesPrefixCache: usesPrefixCache)
  }
}
