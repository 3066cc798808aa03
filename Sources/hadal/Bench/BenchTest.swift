// What a test of `hadal bench` is, and what it takes.

import Compute
import DeepSeek
import Logging
import Serving

/// One line of the table for each value of --mtp.
struct BenchTest: Equatable, CustomStringConvertible {
  enum Kind: String {
    case prompt
    case generate
  }

  let kind: Kind
  let tokens: Int
  let depth: Int
  let batch: Int

  var name: String { "\(kind.rawValue) \(tokens)" }
  var description: String { "\(name), depth \(depth), batch \(batch)" }

  /// Tokens of an answer's prompt. The second one tells streams without context from each other.
  var contextCount: Int { kind == .generate ? max(depth, 2) : depth }

  /// Tokens to ask for. A prompt ends with its first token; an answer has that one besides those
  /// that are counted, and another one: streams begin in one step, but send one after the other.
  var answerCount: Int {
    switch kind {
    case .prompt: 1
    case .generate: tokens + 2
    }
  }

  /// Positions of one stream.
  var positions: Int {
    contextCount + (kind == .prompt ? tokens : 0) + answerCount
  }

  /// Tokens of the latent pool: whole pages, with one for drafts and one for a copied tail.
  var poolTokens: Int {
    let size = LatentStorage.tokensPerPage
    return batch * ((positions + size - 1) / size + 2) * size
  }
}

/// One engine for each value of --mtp, over the same weights and threads. Only one at a time may
/// have work.
struct BenchEngines {
  let model: PlannedModel
  /// What the engines do, which is less than was asked for where a model has no MTP module.
  let speculations: [Speculation]
  let handles: [EngineHandle]
  let backend: Backend
  let figures: BenchModel
  /// Of the engine that has work; nil unless asked for.
  let profile: PassProfile?

  /// Refuses tests that cannot run before anything is loaded. The pool is as large as the largest
  /// test needs, if nobody says otherwise.
  /// - Parameter coin: decides about drafts.
  init(
    _ options: ModelOptions, _ running: RunningOptions, _ wanted: [Speculation],
    _ tests: [BenchTest], coin: AcceptanceCoin? = nil, isProfiled: Bool = false
  ) throws {
    var options = options
    options.maxSequences = max(options.maxSequences, tests.map(\.batch).max() ?? 0)
    options.kvTokens = options.kvTokens ?? tests.map(\.poolTokens).max()
    var models: [PlannedModel] = []
    for speculation in wanted {
      let model = try PlannedModel(options, running, mtp: speculation, coin: coin)
      if models.contains(where: { $0.limits.speculation == model.limits.speculation }) { continue }
      models.append(model)
    }
    speculations = models.map(\.limits.speculation)
    model = models[0]
    if coin != nil, model.configuration.mtpLayerCount == 0 {
      throw CommandError("--acceptance needs an MTP module, which this model does not have")
    }
    for test in tests { try Self.check(test, model) }
    try PlannedModel.checkMemory(of: models)
    let profile = isProfiled ? PassProfile() : nil
    let log = Logger(label: "hadal", quiet: false)
    let backend = try model.startBackend(log, clock: profile?.clock)
    self.profile = profile
    self.backend = backend
    figures = BenchModel(model)
    let weights = try model.packWeights(backend, log)
    handles = try models.map { try $0.startEngine(weights, backend) }
  }

  private static func check(_ test: BenchTest, _ model: PlannedModel) throws {
    let poolTokens = model.limits.pageCount * LatentStorage.tokensPerPage
    if test.positions > model.configuration.maxPositions {
      throw CommandError(
        """
        \(test): a stream has \(test.positions) positions, but the model's context is \
        \(model.configuration.maxPositions)
        """)
    }
    if test.poolTokens > poolTokens {
      throw CommandError(
        "\(test): the latents take \(test.poolTokens) tokens, but --kv-tokens gives \(poolTokens)")
    }
    if test.kind == .prompt, test.depth > 0, !model.limits.cachesPrefixes {
      throw CommandError("\(test): prompts after a context need the prefix cache")
    }
  }
}
