// Running and sampling: the decode lane as a whole, the prefill lane by some layers, and tokens
// from the rows of what is finished.

import Compute
import DeepSeek
import Sampling

/// A row whose logits are wanted.
struct SampledRow {
  let entry: Int
  /// Row within the entry, and within the pass.
  let offset: Int
  let row: Int
  /// Whether the token that follows is known: its log-probability is wanted.
  let isKnown: Bool
}

extension Engine {
  func runLanes() {
    do throws(PassFailure) {
      if !plan.decodes.isEmpty { try runDecodes() }
    } catch {
      failDecodes(error)
    }
    do throws(PassFailure) {
      if !plan.chunks.isEmpty { try beginPrefill() }
      if plan.prefillLayers > 0 { try advancePrefill() }
    } catch {
      failPrefill(error)
    }
  }

  private func runDecodes() throws(PassFailure) {
    decodePass.removeAll()
    for index in plan.decodes {
      let sequence = running[index]
      while sequence.missingPages > 0 {
        guard let page = pool.allocate() else {
          preconditionFailure("the plan decodes more than the pool holds")
        }
        sequence.pages.append(page)
      }
      decodePass.append(sequence, count: 1)
    }
    let start = clock()
    try model.decode(decodePass.batch)
    decodePass.seconds = seconds(since: start)
  }

  private func beginPrefill() throws(PassFailure) {
    prefillPass.removeAll()
    for chunk in plan.chunks {
      let sequence = running[chunk.sequence]
      sequence.isInPass = true
      prefillPass.append(sequence, count: chunk.count)
    }
    prefillLayers = model.layerCount
    try model.beginPrefill(prefillPass.batch)
  }

  private func advancePrefill() throws(PassFailure) {
    let start = clock()
    let isFinished = try model.advancePrefill(layers: plan.prefillLayers)
    prefillLayers -= plan.prefillLayers
    precondition(isFinished == (prefillLayers == 0), "layers are counted alike")
    let rows = max(prefillPass.rowCount, Scheduler.leastChunk)
    let work = Double(plan.prefillLayers * rows)
    let spent = seconds(since: start)
    prefillPass.seconds += spent
    let cost = spent / work
    let known = view.prefillRowSeconds
    // A running mean: contexts, and so the cost of attention, change within a prompt.
    view.prefillRowSeconds = known == 0 ? cost : known + (cost - known) / 8
  }

  /// Gives up the prefill under way; its sequences have gained nothing by it.
  func abandonPrefill() {
    for entry in prefillPass.entries { entry.sequence.isInPass = false }
    prefillPass.removeAll()
    prefillLayers = 0
  }

  func seconds(since start: UInt64) -> Double { Double(clock() - start) / 1e9 }

  // MARK: - Sampling

  var isPrefillFinished: Bool { !prefillPass.isEmpty && prefillLayers == 0 }

  func sampleLanes() {
    if !plan.decodes.isEmpty {
      let start = clock()
      sample(&decodePass)
      decodePass.seconds += seconds(since: start)
      recordDecodes()
    }
    if isPrefillFinished {
      let start = clock()
      sample(&prefillPass)
      prefillPass.seconds += seconds(since: start)
    }
  }

  /// Turns the rows' logits into log-probabilities of prompts and into next tokens. A draft is
  /// right when it is the token that is drawn in its place.
  private func sample(_ pass: inout LanePass) {
    pass.listRows(into: &samples)
    for first in stride(from: 0, to: samples.count, by: model.logitRowCapacity) {
      let block = samples[first..<min(first + model.logitRowCapacity, samples.count)]
      sampledRows.removeAll(keepingCapacity: true)
      for sample in block { sampledRows.append(sample.row) }
      let logits = model.logits(pass.lane, ofRows: sampledRows)
      pass.headPasses += 1
      let now = clock()
      for (index, sample) in block.enumerated() {
        logits.withRow(index) { pass.take($0, for: sample, at: now) }
      }
    }
    for index in pass.entries.indices { commit(&pass.entries[index]) }
    monitor.recordTokens(pass.drawnTokens)
  }

  /// Keeps the rows that turned out right; the others' latents are overwritten by the next step.
  private func commit(_ entry: inout LanePass.Entry) {
    let sequence = entry.sequence
    guard !sequence.isCancelled else { return }
    entry.keptRows = max(entry.keptRows, entry.rowCount - entry.draftCount)
    sequence.advance(by: entry.keptRows)
    if let wait = sequence.endStep() { monitor.recordWait(wait) }
    guard entry.draftCount > 0 else { return }
    let accepted = entry.keptRows - 1
    // What would have followed the last token of an answer was not looked at.
    let drafted = sequence.finished == nil ? entry.draftCount : accepted
    if sequence.hasDraftContext {
      drafter.policy.record(drafted: drafted, accepted: accepted, of: &sequence.acceptance)
    }
    sequence.drafts.removeAll(keepingCapacity: true)
    monitor.recordDrafts(drafted: drafted, accepted: accepted)
  }

  private func recordDecodes() {
    let cost = decodePass.seconds
    drafter.policy.recordStep(
      rows: decodePass.rowCount, drafts: decodePass.rowCount - decodePass.entries.count,
      seconds: cost)
    monitor.recordDecode(rows: decodePass.rowCount, decodePass.load)
  }

  /// Called when both lanes are sampled.
  func recordStepTokens() {
    let prompts = isPrefillFinished ? prefillPass.rowCount + prefillPass.drawnTokens : 0
    let tokens = prompts + (plan.decodes.isEmpty ? 0 : decodePass.drawnTokens)
    if tokens > 0 { monitor.recordStep(tokens: tokens) }
  }

  func recordDrafting(seconds: Double) {
    guard drafter.passes > 0 else { return }
    var load = EngineStatistics.LaneLoad()
    (load.passes, load.headPasses, load.seconds) = (drafter.passes, drafter.headPasses, seconds)
    monitor.recordDrafting(load)
  }

  /// What a step really brought, if it did nothing but decode.
  /// - Parameters:
  ///   - rows, tokens: of the decode lane.
  func recordWholeStep(rows: Int, tokens: Int, since start: UInt64) {
    guard !plan.decodes.isEmpty, plan.prefillLayers == 0 else { return }
    drafter.policy.recordWhole(
      sequences: plan.decodes.count, drafts: rows - plan.decodes.count, tokens: tokens,
      seconds: seconds(since: start))
  }
}
