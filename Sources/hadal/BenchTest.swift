// What a test of `hadal bench` is, and what it takes.

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
  /// that are counted, and, among several streams, another one: streams begin in one step, but
  /// send one after the other.
  var answerCount: Int {
    switch kind {
    case .prompt: 1
    case .generate: tokens + (batch > 1 ? 2 : 1)
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
  let handles: [EngineHandle]

  /// Refuses tests that cannot run before anything is loaded. The pool is as large as the largest
  /// test needs, if nobody says otherwise.
  init(_ options: ModelOptions, _ speculations: [Speculation], _ tests: [BenchTest]) throws {
    var options = options
    options.maxSequences = max(options.maxSequences, tests.map(\.batch).max() ?? 0)
    options.kvTokens = options.kvTokens ?? tests.map(\.poolTokens).max()
    let models = try speculations.map { try PlannedModel(options, mtp: $0) }
    model = models[0]
    for test in tests { try Self.check(test, model) }
    try PlannedModel.checkMemory(of: models)
    let backend = try model.startBackend()
    let weights = try model.packWeights(backend, Logger(label: "hadal", quiet: false))
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
