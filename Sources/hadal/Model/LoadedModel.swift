// From options to a running engine: read, plan, check, load.

import Compute
import DeepSeek
import Logging
import Platform
import Serving
import Weights

/// A model that is planned but takes no memory yet.
struct PlannedModel {
  let directory: ModelDirectory
  let checkpoint: Checkpoint
  /// Every name and shape is checked, nothing is packed.
  let weights: ModelWeights
  let configuration: ModelConfiguration
  let latents: LatentShape
  let limits: EngineLimits
  let memory: MemoryPlan
  let budget: MemoryBudget
  let threads: Int
  let kernels: Kernels
  private let savesPacked: Bool
  private let mapsPacked: Bool
  /// Called while the weights are loaded with how much is done, from 0 to 1.
  var onProgress: ((Double) -> Void)?

  /// Rows whose logits are computed at a time.
  static let logitRows = 16
  /// Sequences that may wait for each one that runs.
  private static let waitingPerRunning = 64
  /// The share of free memory that the latent pool takes when nobody says otherwise.
  private static let defaultPoolShare = 0.5

  /// - Parameters:
  ///   - running: nil for a model that answers nothing.
  ///   - coin: decides about drafts, for measuring only.
  init(
    _ options: ModelOptions, _ running: RunningOptions?, mtp: Speculation,
    coin: AcceptanceCoin? = nil
  ) throws {
    directory = try ModelDirectory(options.model)
    checkpoint = try directory.checkpoint()
    weights = try ModelWeights(checkpoint, promptAttention: options.promptAttention)
    configuration = weights.configuration
    latents = LatentShape(configuration, format: options.latentFormat)
    budget = try MemoryBudget.measure()
    kernels = options.precision == .reference ? .best : .fastest
    savesPacked = running?.savePacked ?? false
    mapsPacked = running?.mapPacked ?? false
    threads = options.threads ?? ProcessorBudget.measure().threads
    let pageCount = Self.pageCount(
      options, configuration, latents, free: budget.available - weights.byteCount)
    var limits = EngineLimits(
      maxSequences: options.maxSequences,
      queueLength: options.maxSequences * Self.waitingPerRunning,
      prefillChunk: options.prefillChunk,
      contextLength: min(configuration.maxPositions, pageCount * LatentStorage.tokensPerPage),
      pageCount: pageCount,
      speculation: try Self.speculation(
        mtp, configuration, source: checkpoint.configurationSource),
      promptAttention: options.promptAttention)
    if let running {
      limits.targetStepSeconds = running.targetStepMs / 1000
      limits.cachesPrefixes = !running.noPrefixCache
    }
    limits.acceptanceCoin = coin
    self.limits = limits
    memory = MemoryPlan(
      configuration, weights: weights.byteCount, latents: latents, pageCount: pageCount,
      sequences: limits.maxSequences, decodeRows: limits.decodeRows,
      prefillRows: limits.prefillChunk, logitRows: Self.logitRows, threads: threads,
      promptAttention: options.promptAttention)
  }

  /// Pages for the tokens asked for; else for every sequence at full length, as far as memory goes.
  private static func pageCount(
    _ options: ModelOptions, _ c: ModelConfiguration, _ latents: LatentShape, free: Int
  ) -> Int {
    let size = LatentStorage.tokensPerPage
    if let tokens = options.kvTokens { return (tokens + size - 1) / size }
    let wanted = options.maxSequences * ((c.maxPositions + size - 1) / size)
    let affordable = Int(Double(max(free, 0)) * defaultPoolShare) / latents.bytesPerPage
    return max(1, min(wanted, affordable))
  }

  /// What was asked for, as far as the model has an MTP module to do it with.
  private static func speculation(
    _ wanted: Speculation, _ c: ModelConfiguration, source: ConfigurationSource
  ) throws -> Speculation {
    if c.mtpLayerCount > 0 { return wanted }
    if case .fixed(let depth) = wanted {
      throw CommandError(
        """
        --mtp \(depth) needs an MTP module, which this model does not have \
        (\(source.file): \(source.name(of: "num_nextn_predict_layers")) is 0)
        """)
    }
    return .off
  }

  /// Refuses what does not fit, with the sums.
  func checkMemory() throws { try Self.checkMemory(of: [self]) }

  /// The same for several engines over the same weights.
  static func checkMemory(of models: [PlannedModel]) throws {
    let first = models[0]
    let latents = models.reduce(0) { $0 + $1.memory.latents }
    let scratch = models.reduce(0) { $0 + $1.memory.scratch }
    let total = first.memory.weights + latents + scratch
    guard total > first.budget.available else { return }
    throw CommandError(
      """
      the model does not fit: weights \(ByteCount(first.memory.weights)) + latents for \
      \(first.limits.pageCount * LatentStorage.tokensPerPage) tokens \(ByteCount(latents)) + \
      scratch \(ByteCount(scratch)) = \(ByteCount(total)), but only \
      \(ByteCount(first.budget.available)) are free of \(ByteCount(first.budget.total)); \
      lower --kv-tokens, --prefill-chunk or --max-sequences
      """)
  }

  /// Loads the weights and starts the engine.
  func start(_ log: Logger) throws -> EngineHandle {
    try EngineHandle(model: try load(log), limits: limits)
  }

  /// Loads the weights and takes all memory of the plan.
  func load(_ log: Logger) throws -> DeepSeekModel {
    try checkMemory()
    log.info(
      "loading",
      metadata: [
        "model": "\(directory.path)", "weights": "\(ByteCount(memory.weights))",
        "latents": "\(ByteCount(memory.latents))", "scratch": "\(ByteCount(memory.scratch))",
        "threads": "\(threads)", "kernels": "\(kernels.tier)",
      ])
    let backend = try startBackend(log)
    return try makeModel(packWeights(backend, log), backend)
  }

  /// Packs the weights, or reads what was packed before.
  func packWeights(_ backend: Backend, _ log: Logger) throws -> ModelWeights {
    let cache = weights.cache(at: directory.packedPath)
    if cache.exists {
      do {
        return try withProgress("reading packed weights", log) {
          try weights.packed(
            on: backend.pool, from: mapsPacked ? .mapped(cache) : .cache(cache), progress: $0)
        }
      } catch DeepSeekError.cache(let error) {
        let remedy = savesPacked ? "" : "; serve --save-packed writes it anew"
        log.warning("packed weights not used: \(error)\(remedy)")
      }
    }
    if mapsPacked, !savesPacked, !cache.exists {
      log.warning("no packed weights to map; serve --save-packed writes them")
    }
    let packed = try withProgress("packing weights", log) {
      try weights.packed(on: backend.pool, progress: $0)
    }
    if savesPacked { save(packed, to: cache, backend, log) }
    return packed
  }

  /// What cannot be saved can be used all the same: the next start takes longer, no more.
  private func save(
    _ packed: ModelWeights, to cache: PackedCache, _ backend: Backend, _ log: Logger
  ) {
    do {
      try withProgress("saving packed weights", log) {
        try packed.save(to: cache, on: backend.pool, progress: $0)
      }
      log.info("saved packed weights", metadata: ["path": "\(cache.path)"])
    } catch {
      log.warning("packed weights not saved: \(error)")
    }
  }

  /// Says how far something is when it takes long.
  private func withProgress<Result>(
    _ what: String, _ log: Logger, _ body: ((Int) -> Void) throws -> Result
  ) rethrows -> Result {
    let start = MonotonicClock.nanoseconds
    var reports: UInt64 = 0
    return try body { bytes in
      onProgress?(Double(bytes) / Double(max(weights.packedByteCount, 1)))
      let ticks = (MonotonicClock.nanoseconds - start) / Self.patience
      guard ticks > reports else { return }
      reports = ticks
      log.info("\(what)", metadata: ["done": "\(bytes * 100 / max(weights.packedByteCount, 1))%"])
    }
  }

  /// Nanoseconds after which a user wants to know what is going on.
  private static let patience: UInt64 = 2_000_000_000

  /// - Parameter clock: told of the end of every operation.
  func startBackend(_ log: Logger, clock: OperationClock? = nil) throws -> Backend {
    for tier in Kernels.rejected where kernels.quantisesInputs {
      log.warning(
        "kernels not used: on this processor their products are not those of the definition",
        metadata: ["kernels": "\(tier)"])
    }
    let pool = try WorkerPool(threadCount: threads, memory: .measure())
    if pool.nodes.count > 1 {
      log.info("memory nodes", metadata: ["nodes": "\(pool.nodes.count)"])
    }
    return Backend(kernels: kernels, pool: pool, clock: clock)
  }

  /// Several engines may share weights and backend, if only one at a time has work.
  func startEngine(_ weights: ModelWeights, _ backend: Backend) throws -> EngineHandle {
    try EngineHandle(model: makeModel(weights, backend), limits: limits)
  }

  private func makeModel(
    _ weights: ModelWeights, _ backend: Backend
  ) throws(DeepSeekError) -> DeepSeekModel {
    DeepSeekModel(
      weights: weights, backend: backend,
      storage: try LatentStorage(shape: latents, pageCount: limits.pageCount),
      decodeRows: limits.decodeRows,
      prefillRows: limits.prefillChunk, logitRows: Self.logitRows)
  }
}

/// A number of bytes as people read it.
struct ByteCount: CustomStringConvertible {
  let bytes: Int

  init(_ bytes: Int) { self.bytes = bytes }

  var description: String {
    var (value, unit) = (Double(bytes), 0)
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while value >= 1024, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    let rounded = (value * 10).rounded() / 10
    return unit == 0 ? "\(bytes) B" : "\(rounded) \(units[unit])"
  }
}
