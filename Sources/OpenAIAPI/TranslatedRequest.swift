// A generation request between its two forms: JSON has been understood and checked, the engine has
// not been asked yet.

import Sampling
import Serving

/// A prompt as the engine needs it.
struct Prompt: Equatable {
  /// At least one, each below the vocabulary size.
  var tokens: [Int32]
  /// As the client wrote it; nil when the client gave tokens.
  var text: String?
  /// The most tokens to generate.
  var maxTokens = 0
}

/// How the tokens of an answer become text.
struct TextOptions: Equatable {
  var stops: [String] = []
  /// Whether what ended the answer, a stop string or a stop token, is part of its text.
  var includesStop = false
  var skipsSpecialTokens = true
}

/// What is shown besides the text.
struct OutputOptions: Equatable {
  /// How many alternatives to report with each token's log-probability; nil reports none at all.
  var logprobs: Int?
  /// Tokens appear as `token_id:N` instead of their text.
  var tokensAsIDs = false
  /// The ids of prompt and answer are reported.
  var tokenIDs = false
  /// The answer begins with the prompt, log-probabilities included.
  var echo = false
}

/// A streamed answer's extras.
struct StreamOptions: Equatable {
  /// A last chunk reports the usage.
  var includesUsage = false
  /// Every chunk reports the usage so far.
  var includesContinuousUsage = false
}

/// A request of either endpoint, every field checked.
struct TranslatedRequest: Equatable {
  var prompts: [Prompt] = []
  var choicesPerPrompt = 1
  var sampling = SamplingParameters()
  /// Token ids that end an answer because the checkpoint or the client says so.
  var endTokens: Set<Int32> = []
  var stopTokens: Set<Int32> = []
  var text = TextOptions()
  var output = OutputOptions()
  /// Absent for an answer in one piece.
  var stream: StreamOptions?

  /// The answer at `index` among all: those to the first prompt come first.
  func prompt(ofChoice index: Int) -> Prompt { prompts[index / choicesPerPrompt] }

  var choiceCount: Int { prompts.count * choicesPerPrompt }

  /// What the engine is asked for the answer at `index`.
  func engineRequest(ofChoice index: Int) -> GenerationRequest {
    let prompt = prompt(ofChoice: index)
    return GenerationRequest(
      prompt: prompt.tokens, sampling: sampling, choice: index % choicesPerPrompt,
      maxTokens: prompt.maxTokens, stopTokens: endTokens.union(stopTokens),
      logprobs: output.logprobs, promptLogprobs: output.echo ? output.logprobs : nil)
  }
}
