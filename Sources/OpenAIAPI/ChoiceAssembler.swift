// The engine's events of one sequence to what its reader sees: text, log-probabilities and an end.
// Used by streamed and whole answers of both endpoints alike.

import Sampling
import Serving
import Text

/// Why an answer ended.
package struct ChoiceEnd: Equatable {
  package var reason: FinishReason
  /// What of the client's wishes ended it, a stop token or a stop string; nil for every other end.
  package var stopToken: Int32?
  package var stopString: String?

  package init(reason: FinishReason, stopToken: Int32? = nil, stopString: String? = nil) {
    self.reason = reason
    self.stopToken = stopToken
    self.stopString = stopString
  }
}

/// A token of prompt or answer with its log-probability.
package struct TokenEntry: Equatable {
  package var token: Int32
  /// Nil for the first token of a prompt, which nothing predicts.
  package var logprobs: TokenLogprobs?
  /// Where its text begins, in Unicode scalars from the start of the answer's text.
  package var textOffset: Int
}

/// What one choice has newly to say.
package struct ChoiceDelta: Equatable {
  package var text = ""
  /// Tokens of the prompt that were found in the prefix cache.
  package var cachedTokens = 0
  /// The generated tokens.
  package var tokens: [Int32] = []
  /// Empty when none were asked for.
  package var entries: [TokenEntry] = []
  package var end: ChoiceEnd?

  package init() {}

  package mutating func append(_ next: ChoiceDelta) {
    text += next.text
    cachedTokens += next.cachedTokens
    tokens += next.tokens
    entries += next.entries
    end = end ?? next.end
  }
}

/// Follows one sequence from its first event to its end.
package struct ChoiceAssembler {
  private let request: TranslatedRequest
  private let prompt: Prompt
  private let tokenizer: Tokenizer?
  private var promptDecoder: IncrementalDecoder?
  private var decoder: IncrementalDecoder?
  private var matcher: StopMatcher
  private var hasBegun = false
  /// Prompt tokens reported so far.
  private var promptPosition = 0
  private var textOffset = 0
  package private(set) var isFinished = false

  /// - Parameter tokenizer: nil leaves the text empty.
  package init(_ request: TranslatedRequest, prompt: Prompt, tokenizer: Tokenizer?) {
    self.request = request
    self.prompt = prompt
    self.tokenizer = tokenizer
    let skips = request.text.skipsSpecialTokens
    promptDecoder = tokenizer.map { IncrementalDecoder($0, skipSpecialTokens: skips) }
    decoder = tokenizer.map { IncrementalDecoder($0, skipSpecialTokens: skips) }
    matcher = StopMatcher(stops: request.text.stops, includeStop: request.text.includesStop)
  }

  /// What the events add. Nothing follows once the choice is finished, which a stop string may do
  /// before the engine does.
  package mutating func add(_ event: GenerationEvent) -> ChoiceDelta {
    var delta = ChoiceDelta()
    if isFinished { return delta }
    if !hasBegun { begin(&delta) }
    switch event {
    case .started(let cachedTokens):
      delta.cachedTokens = cachedTokens
    case .prompt(let scored):
      for logprobs in scored { addPromptToken(logprobs, to: &delta) }
    case .token(let token, let logprobs):
      addToken(token, logprobs, to: &delta)
    // Ends the answer as a whole, for which the session sees.
    case .failed: isFinished = true
    case .finished(let reason):
      flush(&delta)
      finish(ChoiceEnd(reason: reason), &delta)
    }
    return delta
  }

  // MARK: - The prompt, when it is echoed

  private mutating func begin(_ delta: inout ChoiceDelta) {
    hasBegun = true
    guard request.output.echo else { return }
    delta.text =
      prompt.text ?? tokenizer.map {
        $0.decode(prompt.tokens, skipSpecialTokens: request.text.skipsSpecialTokens)
      } ?? ""
    if request.output.logprobs == nil {
      textOffset = delta.text.unicodeScalars.count
    } else {
      addPromptToken(nil, to: &delta)
    }
  }

  private mutating func addPromptToken(_ logprobs: TokenLogprobs?, to delta: inout ChoiceDelta) {
    let token = prompt.tokens[promptPosition]
    delta.entries.append(TokenEntry(token: token, logprobs: logprobs, textOffset: textOffset))
    textOffset += promptDecoder?.append(token).unicodeScalars.count ?? 0
    promptPosition += 1
  }

  // MARK: - The answer

  private mutating func addToken(
    _ token: Int32, _ logprobs: TokenLogprobs?, to delta: inout ChoiceDelta
  ) {
    delta.tokens.append(token)
    if let logprobs {
      delta.entries.append(TokenEntry(token: token, logprobs: logprobs, textOffset: textOffset))
    }
    let isEnd = request.endTokens.contains(token)
    let isStop = request.stopTokens.contains(token)
    if !(isEnd || isStop) || request.text.includesStop {
      let text = decoder?.append(token) ?? ""
      textOffset += text.unicodeScalars.count
      show(text, in: &delta)
    }
    if isEnd || isStop, !isFinished {
      flush(&delta)
      finish(ChoiceEnd(reason: .stop, stopToken: isEnd ? nil : token), &delta)
    }
  }

  /// Passes text through the stop matcher, which may end the answer.
  private mutating func show(_ text: String, in delta: inout ChoiceDelta) {
    let (shown, stopped) = matcher.append(text)
    delta.text += shown
    if stopped { finish(ChoiceEnd(reason: .stop, stopString: matcher.match), &delta) }
  }

  /// Shows what was held back for a whole character or a stop string.
  private mutating func flush(_ delta: inout ChoiceDelta) {
    show(decoder?.finish() ?? "", in: &delta)
    if !isFinished { delta.text += matcher.finish() }
  }

  private mutating func finish(_ end: ChoiceEnd, _ delta: inout ChoiceDelta) {
    guard !isFinished else { return }
    isFinished = true
    delta.end = end
  }
}
