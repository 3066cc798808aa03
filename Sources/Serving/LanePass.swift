// One pass of a lane as the engine sees it: which rows belong to whom.

import DeepSeek
import Sampling

/// Rows of several sequences that go through the model together, and what came of them.
struct LanePass {
  /// The rows of one sequence.
  struct Entry {
    let sequence: SequenceState
    let firstPosition: Int
    let firstRow: Int
    let rowCount: Int
    /// How many of the rows are drafts.
    let draftCount: Int
    /// Rows whose latents count. Fewer than `rowCount` when a draft was wrong.
    var keptRows = 0
    /// Whether the rows that are left follow a wrong draft or the end of the answer.
    var isOver = false
  }

  let lane: ForwardLane
  private(set) var batch: ForwardBatch
  var entries: [Entry] = []
  /// What the pass and its sampling took so far.
  var seconds = 0.0
  /// Tokens that were drawn from its rows.
  private(set) var drawnTokens = 0
  /// Calls of the output head.
  var headPasses = 0

  /// Decides about drafts in the model's place; nil unless somebody measures.
  private let coin: AcceptanceCoin?

  /// - Parameters:
  ///   - rows, sequences: the most of a pass.
  init(_ lane: ForwardLane, rows: Int, sequences: Int, coin: AcceptanceCoin? = nil) {
    self.lane = lane
    self.coin = coin
    batch = ForwardBatch(reservingRows: rows, segments: sequences)
    entries.reserveCapacity(sequences)
  }

  var isEmpty: Bool { entries.isEmpty }
  private(set) var rowCount = 0

  /// Empties the pass and keeps its memory.
  mutating func removeAll() {
    releaseBatch()
    rowCount = 0
    entries.removeAll(keepingCapacity: true)
    seconds = 0
    drawnTokens = 0
    headPasses = 0
  }

  /// Lets go of the sequences' lists of pages, so that these can grow in place.
  mutating func releaseBatch() { batch.removeAll() }

  /// Adds the next `count` known tokens of a sequence, then its drafts.
  mutating func append(_ sequence: SequenceState, count: Int) {
    let first = sequence.computed
    let firstRow = rowCount
    let drafts = count == sequence.pending ? sequence.drafts.count : 0
    batch.append(
      Segment(
        firstPosition: first, tokenCount: count + drafts, pages: sequence.pages,
        expandedCount: sequence.expandedCount),
      tokens: sequence.tokens[first..<first + count], drafts: sequence.drafts.prefix(drafts))
    entries.append(
      Entry(
        sequence: sequence, firstPosition: first, firstRow: firstRow, rowCount: count + drafts,
        draftCount: drafts))
    rowCount += count + drafts
  }

  /// Lists the rows whose logits are wanted: those that the next token follows, and with
  /// log-probabilities of the prompt those before its tokens.
  func listRows(into rows: inout [SampledRow]) {
    rows.removeAll(keepingCapacity: true)
    for (number, entry) in entries.enumerated() where !entry.sequence.isCancelled {
      let sequence = entry.sequence
      let known = sequence.tokens.count - 1 - entry.firstPosition
      let first = sequence.scoresPrompt ? 0 : min(known, entry.rowCount)
      let end = sequence.remaining > 0 ? entry.rowCount : min(known, entry.rowCount)
      for offset in first..<max(first, end) {
        rows.append(
          SampledRow(
            entry: number, offset: offset, row: entry.firstRow + offset, isKnown: offset < known))
      }
    }
  }

  /// What the pass had the model read, once it is sampled.
  var load: EngineStatistics.LaneLoad {
    var load = EngineStatistics.LaneLoad()
    (load.passes, load.headPasses, load.seconds) = (1, headPasses, seconds)
    for entry in entries { load.readPositions += entry.firstPosition + entry.rowCount }
    return load
  }

  /// Uses the logits of one row.
  /// - Parameter time: now, by the engine's clock.
  mutating func take(_ logits: Span<Float>, for row: SampledRow, at time: UInt64) {
    let sequence = entries[row.entry].sequence
    if row.isKnown {
      let position = entries[row.entry].firstPosition + row.offset + 1
      sequence.score(logits, position: position, at: time)
    } else if !entries[row.entry].isOver {
      let draft =
        row.offset < entries[row.entry].draftCount ? sequence.drafts[row.offset] : nil
      let isLucky = draft != nil ? coin?.accepts(sequence.id, position: sequence.tokens.count) : nil
      sequence.takeNext(from: logits, at: time, replacement: isLucky == true ? draft : nil)
      drawnTokens += 1
      entries[row.entry].keptRows = row.offset + 1
      let isRight = isLucky ?? (draft == sequence.tokens.last)
      entries[row.entry].isOver = !isRight || sequence.finished != nil
    }
  }
}
