// A sequence from its submission to its last token.

import DeepSeek
import Sampling

/// What the engine knows of one sequence. Touched on the engine's thread alone.
final class SequenceState {
  let id: SequenceID
  let request: GenerationRequest
  let stream: TokenStream
  /// Leading positions of the prompt whose attention is computed in the expanded form.
  let expandedCount: Int
  /// Prompt followed by the generated tokens.
  private(set) var tokens: [Int32]
  /// Holds the latents; page i those of positions 64 i to 64 i + 63. Empty while it waits.
  var pages: [PageIndex] = []
  /// Leading tokens whose latents are stored.
  private(set) var computed = 0
  /// Positions whose MTP rows are stored.
  var drafted = 1..<1
  /// Leading tokens that came from the cache.
  private var reusedCount = 0
  /// What the MTP module expects to follow `tokens`, to be verified in the next step.
  var drafts: [Int32] = []
  var acceptance = DraftAcceptance()
  /// Made at admission: what waits takes little room.
  private var sampler = Sampler(SamplingParameters(), choice: 0, prompt: [])
  /// Tokens of the prompt whose log-probabilities were sent; the first one has none.
  private var scoredTokens = 1
  /// Whether it was never admitted.
  private(set) var isNew = true
  /// When the last step emitted tokens, and when the present one did.
  private var lastEmission: UInt64?
  private var emission: UInt64?
  /// Whether the prefill under way computes some of its rows.
  var isInPass = false
  /// Whether nobody reads the answer any more.
  var isCancelled = false
  /// Set with the last token, and when the sequence fails.
  private(set) var finished: FinishReason?
  /// Why there is no answer.
  private(set) var failure: PassFailure?

  /// Different tokens of an answer for whose penalties room is taken at once.
  private static let reservedTokens = 1024

  init(_ submission: Submission, _ promptAttention: PromptAttention = .absorbed) {
    id = submission.id
    request = submission.request
    stream = submission.stream
    expandedCount = promptAttention.expandedCount(ofPrompt: request.prompt.count)
    tokens = request.prompt
    drafts.reserveCapacity(Speculation.maxDepth)
  }

  /// Tokens known but not yet computed: what is missing of the prompt (after a preemption of the
  /// answer, too), or the last generated token.
  var pending: Int { tokens.count - computed }
  /// How many more tokens may be generated.
  var remaining: Int { request.prompt.count + request.maxTokens - tokens.count }
  var scoresPrompt: Bool { request.promptLogprobs != nil }

  /// Whether this sequence is listed before another, in the queue as well as in batches.
  func precedes(_ other: SequenceState) -> Bool {
    (request.priority, id.rawValue) < (other.request.priority, other.id.rawValue)
  }

  /// As the order of admission sees it.
  var candidate: FairShare.Candidate {
    .init(client: request.client, priority: request.priority, isResumed: !isNew)
  }

  /// Pages to add before the next token can be computed.
  var missingPages: Int {
    computed / LatentStorage.tokensPerPage < pages.count ? 0 : 1
  }

  /// Whether the state of the position before `position`, where a pass began, is kept by its page:
  /// so where a hit ended with a page.
  func startsFromPage(at position: Int) -> Bool {
    position > 0 && position == reusedCount
      && position.isMultiple(of: LatentStorage.tokensPerPage)
  }

  /// Whether the MTP module has read about as much of the sequence as it takes to draft well: the
  /// first drafts after a pause say nothing of its worth.
  var hasDraftContext: Bool {
    drafted.lowerBound == 1 || drafted.count > Self.draftContext
  }

  private static let draftContext = 12

  // MARK: - Admission and preemption

  /// The most leading positions that may come from the cache: a row is needed to go on from, and
  /// log-probabilities of the prompt need the rows before their tokens.
  var reusableCount: Int {
    scoresPrompt ? min(scoredTokens - 1, tokens.count - 1) : tokens.count - 1
  }

  /// Begins to run with the latents of a prefix.
  /// - Parameters:
  ///   - pages: as many as the known tokens need.
  ///   - computed: leading tokens whose latents they hold.
  ///   - drafted: positions with MTP rows.
  ///   - time: now, by the engine's clock.
  func admit(pages: [PageIndex], computed: Int, drafted: Range<Int>, at time: UInt64) {
    self.pages = pages
    let size = LatentStorage.tokensPerPage
    self.pages.reserveCapacity((request.prompt.count + request.maxTokens) / size + 1)
    self.computed = computed
    self.drafted = drafted.isEmpty ? 1..<1 : drafted
    reusedCount = computed
    tokens.reserveCapacity(request.prompt.count + request.maxTokens)
    if isNew {
      isNew = false
      sampler = Sampler(
        request.sampling, choice: request.choice, prompt: request.prompt,
        reserving: min(request.maxTokens, Self.reservedTokens) + Speculation.maxDepth)
      stream.send(.started(cachedTokens: computed), at: time)
    }
  }

  /// Goes back to waiting without any latents.
  func preempt() {
    pages = []
    computed = 0
    drafted = 1..<1
    drafts.removeAll(keepingCapacity: true)
  }

  // MARK: - Steps

  /// The latents of the next `count` positions are stored now.
  func advance(by count: Int) {
    precondition(count > 0 && count <= pending, "computed more than is known")
    computed += count
    if request.maxTokens == 0 && pending == 0 { finished = .length }
  }

  /// Sends the log-probability of the prompt's token at `position`, from the logits of the row
  /// before it.
  func score(_ logits: Span<Float>, position: Int, at time: UInt64) {
    guard let top = request.promptLogprobs, position == scoredTokens,
      position < request.prompt.count
    else { return }
    scoredTokens += 1
    stream.send(.prompt([TokenLogprobs(logits, token: tokens[position], top: top)]), at: time)
  }

  /// Draws the next token, sends it, and notices when it was the last.
  /// - Parameters:
  ///   - time: now, by the engine's clock.
  ///   - replacement: sent in the place of what was drawn; for measuring only.
  func takeNext(from logits: Span<Float>, at time: UInt64, replacement: Int32? = nil) {
    precondition(finished == nil, "a token after the last")
    let drawn = sampler.sample(logits, position: tokens.count)
    guard logits[Int(drawn)].isFinite else { return fail(.noNumbers) }
    let token = replacement ?? drawn
    let logprobs = request.logprobs.map { TokenLogprobs(logits, token: token, top: $0) }
    stream.send(.token(token, logprobs), at: time)
    emission = time
    tokens.append(token)
    sampler.accept(token)
    if request.stopTokens.contains(token) {
      finished = .stop
    } else if remaining == 0 {
      finished = .length
    }
  }

  /// Ends without an answer.
  func fail(_ failure: PassFailure) {
    self.failure = failure
    finished = .stop
  }

  /// How long a reader waited for what a step emitted.
  enum Wait {
    /// Since the submission.
    case first(seconds: Double)
    /// Since the step that emitted before.
    case next(seconds: Double)
  }

  /// The time until the next step that emits is no latency: the reader did not take what was there.
  func forgetEmission() { lastEmission = nil }

  /// Ends a step: nil when nobody waited, or it emitted nothing.
  func endStep() -> Wait? {
    guard let now = emission else { return nil }
    defer { (lastEmission, emission) = (now, nil) }
    guard let lastEmission else {
      let timings = stream.timings
      return timings.firstToken == now ? timings.firstTokenSeconds.map { .first(seconds: $0) } : nil
    }
    return .next(seconds: now > lastEmission ? Double(now - lastEmission) / 1e9 : 0)
  }

  /// Appends the draft that the sampler would draw from the MTP module's logits.
  func draw(draftFrom logits: Span<Float>) {
    let draft = sampler.sample(logits, position: tokens.count + drafts.count)
    sampler.accept(draft)
    drafts.append(draft)
  }

  /// Takes the drafts out of the sampler's history again: they are guesses.
  func forgetDrafts() {
    for draft in drafts.reversed() { sampler.withdraw(draft) }
  }
}
