// What the engine needs of a model.

import Compute
import DeepSeek

/// A model that computes batches of rows, or says why it cannot. Called from the engine's thread
/// alone; results stay valid until the next call.
public protocol LanguageModel: Sendable {
  /// Layers of the main model: what `advancePrefill` counts.
  var layerCount: Int { get }
  /// Whether `draft` may be called.
  var canDraft: Bool { get }
  /// The most rows of one call of `logits`.
  var logitRowCapacity: Int { get }
  /// What the routers did so far. May be read from any thread.
  var expertLoads: [ExpertLoad] { get }
  /// What its passes have to read; nil when that is not known.
  var passWork: ModelWork? { get }
  /// The threads that compute, for any thread to read; nil when there are none of its own.
  var workerStatistics: WorkerStatistics? { get }

  /// Called on the engine's thread before all else.
  func adoptThread()
  /// Computes rows of the decode lane and stores their latents.
  func decode(_ batch: ForwardBatch) throws(PassFailure)
  /// Begins a pass of the prefill lane; one that was under way is given up.
  func beginPrefill(_ batch: ForwardBatch) throws(PassFailure)
  /// Takes the prefill through some more layers. True when that was the last one.
  func advancePrefill(layers: Int) throws(PassFailure) -> Bool
  /// Logits [rows.count, vocabulary] of some rows of the last finished pass of a lane.
  func logits(_ lane: ForwardLane, ofRows rows: [Int]) -> Rows

  /// Runs the MTP module on rows that each start from the state of the position before them.
  func draft(_ batch: ForwardBatch, from sources: [HiddenSource])
  /// Logits [rows.count, vocabulary] of some rows of the last call of `draft`.
  func draftLogits(ofRows rows: [Int]) -> Rows

  /// Copies the latents of the first `slots` positions of a page.
  func copyPage(slots: Int, from source: PageIndex, to target: PageIndex)
}

extension LanguageModel {
  public var passWork: ModelWork? { nil }
  public var workerStatistics: WorkerStatistics? { nil }
  public func adoptThread() {}
}

extension DeepSeekModel: LanguageModel {
  public var passWork: ModelWork? { work }
  public var workerStatistics: WorkerStatistics? { workers }

  public func draft(_ batch: ForwardBatch, from sources: [HiddenSource]) {
    draft(batch, from: sources, module: 0)
  }

  public func draftLogits(ofRows rows: [Int]) -> Rows {
    draftLogits(ofRows: rows, module: 0)
  }
}
