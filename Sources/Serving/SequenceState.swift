// A sequence between admission and its last token.

import DeepSeek
import Sampling

/// What the engine knows of one running sequence.
struct SequenceState {
  let id: SequenceID
  let request: GenerationRequest
  let stream: TokenStream
  let pages: [PageIndex]
  /// Prompt followed by the generated tokens.
  private(set) var tokens: [Int32]
  /// Leading tokens whose latents are stored.
  private(set) var computed = 0
  private(set) var sampler: Sampler
  /// Set with the last token.
  private(set) var finished: FinishReason?

  init(_ submission: Submission, pages: [PageIndex]) {
    id = submission.id
    request = submission.request
    stream = submission.stream
    self.pages = pages
    tokens = request.prompt
    tokens.reserveCapacity(request.prompt.count + request.maxTokens)
    sampler = Sampler(request.sampling, choice: request.choice, prompt: request.prompt)
  }

  /// Tokens known but not yet computed: the rest of the prompt, or the last generated one.
  var pending: Int { tokens.count - computed }
  var isPrefilling: Bool { computed < request.prompt.count }

  mutating func advance(by count: Int) {
    precondition(count > 0 && count <= pending, "computed more than was known")
    computed += count
    if request.maxTokens == 0 && !isPrefilling { finished = .length }
  }

  /// Draws the next token, sends it, and notices when it was the last.
  mutating func takeNext(from logits: Span<Float>) {
    precondition(finished == nil && pending == 0, "a token out of turn")
    let token = sampler.sample(logits, position: tokens.count)
    let logprobs = request.logprobs.map { TokenLogprobs(logits, token: token, top: $0) }
    stream.send(.token(token, logprobs))
    tokens.append(token)
    sampler.accept(token)
    if request.stopTokens.contains(token) {
      finished = .stop
    } else if tokens.count - request.prompt.count == request.maxTokens {
      finished = .length
    }
  }
}
