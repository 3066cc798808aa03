// Every limit of the engine, in one place.

import DeepSeek

/// How the MTP module is used.
public enum Speculation: Sendable, Equatable {
  /// Never.
  case off
  /// So many drafts per sequence and step, whether they pay or not.
  case fixed(Int)
  /// As many drafts as measured cost and acceptance say.
  case auto

  /// The most drafts of one sequence in one step.
  public static let maxDepth = 8

  var depthLimit: Int {
    switch self {
    case .off: 0
    case .fixed(let depth): depth
    case .auto: Self.maxDepth
    }
  }
}

/// What an engine may use. Checked against each other when it is made.
public struct EngineLimits: Sendable, Equatable {
  /// Sequences that are computed side by side.
  public var maxSequences: Int
  /// Sequences that wait for their turn; more are refused.
  public var queueLength: Int
  /// Rows of prompts that go through the layers together.
  public var prefillChunk: Int
  /// Positions of one sequence, prompt and answer together.
  public var contextLength: Int
  /// Pages of the latent pool.
  public var pageCount: Int
  /// Positions of one page.
  public static var tokensPerPage: Int { LatentStorage.tokensPerPage }
  /// How long a step may last that computes prompts beside running answers.
  public var targetStepSeconds: Double
  public var speculation: Speculation
  /// The form of prompts' attention; what the model's weights were loaded for.
  public var promptAttention: PromptAttention
  /// Whether the latents of finished sequences are kept for prompts that begin the same way.
  public var cachesPrefixes: Bool
  /// Events that wait in a stream at which its sequence is paused until they are taken. One more
  /// step's events may join them.
  public var streamBacklog = 256
  /// Sequences that are paused at one time; beyond, an unread one goes on, for as many events as
  /// it may have in all.
  public var pausedSequences: Int
  /// Seconds after which whoever is refused may be told to come again; clients of the OpenAI API do
  /// not wait for longer.
  static let retrySeconds = 1...60
  /// For measuring only: what decides about drafts instead of the model. Nil in every server.
  public var acceptanceCoin: AcceptanceCoin?

  /// All are positive, and a sequence of `contextLength` fits the pool.
  public init(
    maxSequences: Int, queueLength: Int, prefillChunk: Int, contextLength: Int, pageCount: Int,
    targetStepSeconds: Double = 0.05, speculation: Speculation = .auto,
    promptAttention: PromptAttention = .absorbed, cachesPrefixes: Bool = true
  ) {
    precondition(maxSequences > 0 && queueLength > 0 && prefillChunk > 0, "limits are positive")
    precondition(pageCount > 0, "an empty pool serves nobody")
    precondition(
      contextLength > 0 && contextLength <= pageCount * LatentStorage.tokensPerPage,
      "a sequence of full length fits the pool")
    precondition(targetStepSeconds > 0, "a step takes time")
    precondition((0...Speculation.maxDepth).contains(speculation.depthLimit), "draft depth")
    self.maxSequences = maxSequences
    self.queueLength = queueLength
    pausedSequences = queueLength
    self.prefillChunk = prefillChunk
    self.contextLength = contextLength
    self.pageCount = pageCount
    self.targetStepSeconds = targetStepSeconds
    self.speculation = speculation
    self.promptAttention = promptAttention
    self.cachesPrefixes = cachesPrefixes
  }

  /// The most sequences of one client that wait. The rest of the queue is for clients of whom
  /// nothing waits yet.
  public var clientQueueLength: Int { Self.clientShare(ofQueue: queueLength) }

  static func clientShare(ofQueue length: Int) -> Int { length - length / 8 }

  /// Drafts of all sequences together in one step: as many as fixed, else about one for each
  /// sequence, or the depth limit for one.
  var draftsPerStep: Int {
    switch speculation {
    case .off: 0
    case .fixed(let depth): depth * maxSequences
    case .auto: max(maxSequences, Speculation.maxDepth)
    }
  }

  /// Rows of the largest pass of the decode lane.
  public var decodeRows: Int { maxSequences + draftsPerStep }
}
