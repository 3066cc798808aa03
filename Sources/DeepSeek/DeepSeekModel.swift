// The model from tokens to logits, top to bottom.

import Compute

/// Two passes can be under way at once: a prefill that rests between two layers lets any number of
/// decode passes by.
public enum ForwardLane: Sendable, Equatable {
  /// Generated tokens and drafts to verify.
  case decode
  /// A chunk of prompts.
  case prefill
}

/// Where an MTP row finds the state of the position before it.
public enum HiddenSource: Sendable, Equatable {
  /// A row of the last finished pass of a lane.
  case row(ForwardLane, Int)
  /// What a page keeps: the state of the position computed last in it.
  case page(PageIndex)
  /// A row of the last draft pass.
  case draft(Int)
}

/// A loaded model with the memory it computes in. All methods are called from one thread, the
/// engine's; results stay valid until the next call.
public final class DeepSeekModel: @unchecked Sendable {
  // Unchecked: after loading, the engine thread is the only one that calls into it.
  /// What the checkpoint is.
  public let configuration: ModelConfiguration
  /// Where latents are kept; pages are given out by the engine.
  public let storage: LatentStorage
  private let weights: ModelWeights
  private let context: AttentionContext
  private let buffers: ActivationBuffers
  private var plan: ExpertPlan
  private let expertCounter: ExpertCounter
  private var prefill = ForwardBatch()
  /// The layer that `advancePrefill` begins with.
  private var nextLayer = 0

  /// - Parameters:
  ///   - decodeRows, prefillRows: the most rows of one pass of each lane.
  ///   - logitRows: the most rows of one call of `logits`.
  public init(
    weights: ModelWeights, backend: Backend, storage: LatentStorage, decodeRows: Int,
    prefillRows: Int, logitRows: Int
  ) {
    let c = weights.configuration
    precondition(weights.isPacked, "weights are only planned")
    precondition(
      storage.shape == LatentShape(c, format: storage.shape.format), "storage of another model")
    configuration = c
    self.weights = weights
    self.storage = storage
    context = AttentionContext(c, backend: backend, storage: storage)
    buffers = ActivationBuffers(
      c, decodeRows: decodeRows, prefillRows: prefillRows, logitRows: logitRows,
      threads: backend.pool.threadCount,
      expanding: weights.promptAttention == .expanded ? storage.shape.format : nil)
    plan = ExpertPlan(
      expertCount: c.routedExpertCount, expertsPerToken: c.expertsPerToken,
      rows: max(decodeRows, prefillRows))
    expertCounter = ExpertCounter(c)
  }

  /// Main layers: what `advancePrefill` counts.
  public var layerCount: Int { weights.layers.count }
  /// Whether there is an MTP module to draft with.
  public var canDraft: Bool { !weights.mtp.isEmpty }
  /// What the routers did so far. May be read from any thread.
  public var expertLoads: [ExpertLoad] { expertCounter.snapshot }
  /// What its passes have to read and to compute.
  public var work: ModelWork {
    ModelWork(weights, latents: storage.shape, kernels: context.backend.kernels)
  }
  /// The threads that compute. May be read from any thread.
  public var workers: WorkerStatistics { context.backend.pool.statistics }
  /// The most rows of one call of `logits`.
  public var logitRowCapacity: Int { buffers.logits.count }

  /// Tells the calling thread that it is the one that computes from now on.
  public func adoptThread() { context.backend.pool.adoptCaller() }

  // MARK: - Main model

  /// Runs the main model on a batch of the decode lane and stores its latents.
  public func decode(_ batch: ForwardBatch) {
    check(batch, capacity: buffers.decodeRows)
    context.backend.begin(.main)
    let x = buffers.residual.rows(0..<batch.rowCount)
    embed(batch, into: x)
    run(weights.layers.indices, on: x, batch, .decode)
    finish(x, batch, into: buffers.hidden.rows(0..<batch.rowCount))
  }

  /// Begins a pass of the prefill lane; one that was under way is given up.
  public func beginPrefill(_ batch: ForwardBatch) {
    check(batch, capacity: buffers.prefillRows)
    context.backend.begin(.main)
    prefill = batch
    nextLayer = 0
    embed(batch, into: buffers.prefillResidual.rows(0..<batch.rowCount))
  }

  /// Takes the prefill through some more layers. True when that was the last one.
  public func advancePrefill(layers: Int) -> Bool {
    context.backend.begin(.main)
    let x = buffers.prefillResidual.rows(0..<prefill.rowCount)
    let end = min(nextLayer + layers, layerCount)
    run(nextLayer..<end, on: x, prefill, .prefill)
    nextLayer = end
    guard end == layerCount else { return false }
    finish(x, prefill, into: x)
    prefill.removeAll()
    return true
  }

  private func embed(_ batch: ForwardBatch, into x: Rows) {
    for row in 0..<x.count {
      weights.embedding.decode(row: Int(batch.tokens[row]), into: x, row: row)
    }
  }

  private func run(
    _ layers: Range<Int>, on x: Rows, _ batch: ForwardBatch, _ lane: ForwardLane
  ) {
    context.embedding.fill(buffers.rotation.rows(0..<x.count), positions: batch.positions)
    for index in layers {
      weights.layers[index].forward(x, batch: batch, index: index, context, buffers, &plan)
      expertCounter.record(plan, layer: index, isDecode: lane == .decode)
    }
  }

  /// The final norm. Each page keeps the state of the last position that was computed in it.
  private func finish(_ x: Rows, _ batch: ForwardBatch, into hidden: Rows) {
    context.backend.kernels.rmsNorm(
      x, weight: weights.finalNorm, epsilon: configuration.normEpsilon, into: hidden)
    if canDraft {
      for row in 0..<x.count where batch.isLastInPage(row: row) {
        storage.writeHidden(hidden, row: row, page: batch.place(ofRow: row).page)
      }
    }
    context.backend.finished(.other)
  }

  /// Logits [rows.count, vocabulary] of some rows of the last finished pass of a lane.
  public func logits(_ lane: ForwardLane, ofRows rows: [Int]) -> Rows {
    context.backend.begin(.main)
    let hidden = lane == .decode ? buffers.hidden : buffers.prefillResidual
    return project(hidden, rows: rows, through: weights.head)
  }

  // MARK: - MTP module

  /// Runs MTP module `module` on rows that each start from the state of the position before them,
  /// and stores the module's latents.
  public func draft(_ batch: ForwardBatch, from sources: [HiddenSource], module: Int = 0) {
    let rows = 0..<batch.rowCount
    check(batch, capacity: buffers.draftHidden.count)
    context.backend.begin(.draft)
    precondition(sources.count == rows.count, "one state per row")
    let input = buffers.draftInput.rows(rows)
    for row in rows {
      switch sources[row] {
      case .row(.decode, let source): copy(buffers.hidden, source, to: input, row)
      case .row(.prefill, let source): copy(buffers.prefillResidual, source, to: input, row)
      case .draft(let source): copy(buffers.draftHidden, source, to: input, row)
      case .page(let page): storage.readHidden(page, into: input, row: row)
      }
    }
    weights.mtp[module].forward(
      batch: batch, hidden: input, layerIndex: layerCount + module, context, buffers, &plan,
      into: buffers.draftHidden.rows(rows))
    context.backend.finished(.other)
    expertCounter.record(plan, layer: layerCount + module)
  }

  /// Logits [rows.count, vocabulary] of some rows of the last call of `draft`.
  public func draftLogits(ofRows rows: [Int], module: Int = 0) -> Rows {
    context.backend.begin(.draft)
    return project(buffers.draftHidden, rows: rows, through: weights.mtp[module].head)
  }

  // MARK: - Parts

  /// Copies the latents of the first `slots` positions of a page.
  public func copyPage(slots: Int, from source: PageIndex, to target: PageIndex) {
    storage.copy(slots: slots, from: source, to: target)
  }

  private func copy(_ source: Rows, _ row: Int, to target: Rows, _ targetRow: Int) {
    target.rows(targetRow..<targetRow + 1).copy(from: source.rows(row..<row + 1))
  }

  private func project(_ hidden: Rows, rows: [Int], through head: PackedMatrix) -> Rows {
    let gathered = buffers.normed.rows(0..<rows.count)
    for (index, row) in rows.enumerated() { copy(hidden, row, to: gathered, index) }
    let logits = buffers.logits.rows(0..<rows.count)
    context.backend.linear(head, gathered, using: buffers.inputEncoding, into: logits)
    context.backend.finished(.head)
    return logits
  }

  private func check(_ batch: ForwardBatch, capacity: Int) {
    precondition(batch.rowCount > 0 && batch.rowCount <= capacity, "batch size")
    for token in batch.tokens {
      precondition(token >= 0 && token < configuration.vocabularySize, "token out of vocabulary")
    }
  }
}
