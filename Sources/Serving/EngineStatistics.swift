// What an engine has done so far, in numbers.

/// A snapshot of the engine's gauges and counters. Counters count from the engine's start.
public struct EngineStatistics: Sendable, Equatable {
  /// Drafts of one position, 1 being the first after the token at hand.
  public struct DraftCount: Sendable, Equatable {
    /// Drafts that were verified, and those among them that were what the model samples.
    public package(set) var drafted = 0
    public package(set) var accepted = 0
  }

  /// Decode steps with the same number of rows: the verification pass with its logits and draws.
  public struct StepCost: Sendable, Equatable {
    /// Tokens and drafts to verify in the step, over all sequences.
    public let rows: Int
    public package(set) var steps = 0
    public package(set) var seconds = 0.0

    package init(rows: Int) { self.rows = rows }
  }

  public package(set) var runningSequences = 0
  public package(set) var waitingSequences = 0
  /// Sequences that were set aside because their readers do not keep up.
  public package(set) var pausedSequences = 0

  /// Pages of the pool; those held by running sequences are neither free nor cached.
  public package(set) var pageCount = 0
  public package(set) var freePages = 0
  public package(set) var cachedPages = 0

  /// Tokens of prompts that were asked for, and those among them that were found in the cache.
  public package(set) var promptTokens = 0
  public package(set) var cachedPromptTokens = 0
  /// Rows of prompts (and of preempted sequences) that were computed.
  public package(set) var prefilledTokens = 0
  public package(set) var generatedTokens = 0
  /// Steps of the decode lane.
  public package(set) var decodeSteps = 0
  /// Sequences that had to give up their pages and were computed again.
  public package(set) var preemptions = 0
  /// How often a sequence was set aside because its reader did not keep up.
  public package(set) var pauses = 0

  /// Answers by the way they ended.
  public package(set) var stopped = 0
  public package(set) var lengthReached = 0
  public package(set) var cancelled = 0
  /// Answers that a failed pass ended.
  public package(set) var failed = 0

  /// Steps in which a sequence had drafts, summed over sequences.
  public package(set) var draftRounds = 0
  /// By position, from the first draft on [Speculation.maxDepth].
  public package(set) var drafts = [DraftCount](
    repeating: DraftCount(), count: Speculation.maxDepth)
  /// By rows: element i is for i + 1 rows.
  public package(set) var stepCosts: [StepCost] = []

  package init() {}
}
