// A model without weights, for tests of everything around the model.

import Compute
import DeepSeek
import Serving
import Synchronization

/// Predicts, after a token t at position p, the token (31 t + p) mod 97, and remembers what it was
/// asked to compute.
final class ScriptedModel: LanguageModel {
  static let vocabularySize = 97

  struct Step: Sendable {
    let rows: Int
    let segments: Int
  }

  let rowCapacity: Int
  let logitRowCapacity = 4
  let layerCount = 3
  let canDraft = false
  let expertLoads: [ExpertLoad] = []
  private let arena = ScratchArena()
  private let output: Rows
  private let prefilledLayers = Atomic<Int>(0)
  private let recorded = Mutex<[Step]>([])
  private let nextTokens = Mutex<[ForwardLane: [Int32]]>([:])
  /// While set, `forward` waits: the engine is busy.
  let isHeld = Atomic<Bool>(false)

  init(rowCapacity: Int) {
    self.rowCapacity = rowCapacity
    output = arena.rows(logitRowCapacity, width: Self.vocabularySize)
  }

  var steps: [Step] { recorded.withLock { $0 } }

  static func next(after token: Int32, at position: Int) -> Int32 {
    Int32((31 * Int(token) + position) % vocabularySize)
  }

  /// What a greedy answer to a prompt must be.
  static func answer(to prompt: [Int32], count: Int) -> [Int32] {
    var tokens = prompt
    for _ in 0..<count { tokens.append(next(after: tokens.last!, at: tokens.count - 1)) }
    return Array(tokens[prompt.count...])
  }

  func decode(_ batch: ForwardBatch) { compute(batch, .decode) }

  private func compute(_ batch: ForwardBatch, _ lane: ForwardLane) {
    while isHeld.load(ordering: .relaxed) {}
    precondition(batch.rowCount <= rowCapacity)
    recorded.withLock { $0.append(Step(rows: batch.rowCount, segments: batch.segments.count)) }
    nextTokens.withLock { next in
      next[lane] = zip(batch.tokens, batch.positions).map { Self.next(after: $0, at: $1) }
    }
  }

  func logits(_ lane: ForwardLane, ofRows rows: [Int]) -> Rows {
    let logits = output.rows(0..<rows.count)
    logits.fill(0)
    nextTokens.withLock { next in
      for (index, row) in rows.enumerated() { logits[index, Int(next[lane]![row])] = 5 }
    }
    return logits
  }

  func beginPrefill(_ batch: ForwardBatch) {
    compute(batch, .prefill)
    prefilledLayers.store(0, ordering: .relaxed)
  }

  func advancePrefill(layers: Int) -> Bool {
    prefilledLayers.add(layers, ordering: .relaxed).newValue == layerCount
  }

  func draft(_ batch: ForwardBatch, from sources: [HiddenSource]) {}
  func draftLogits(ofRows rows: [Int]) -> Rows { output.rows(0..<rows.count) }
  func copyPage(slots: Int, from source: PageIndex, to target: PageIndex) {}
}
