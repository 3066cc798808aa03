// The MTP module of the paged model: its rows lie in the same pages, start from the state of the
// position before them, and follow each other without a gap.

import Compute
import DeepSeek
import Serving
import TestSupport

/// What the MTP layer stored, and the rows of its last pass.
struct DraftRecord {
  struct Slot: Equatable {
    var position = -1
    var token: Int32 = -1
    /// The state the row came from: the main model's, or that of the draft row before.
    var origin: UInt64 = 0
    var isChained = false
  }

  struct Row {
    var slot: Slot
    /// The row's own state, which a chained row starts from.
    var state: UInt64 { StateChain.mix(slot.origin, UInt64(slot.position)) }
    /// The first position whose token the main model has not seen yet.
    var root: Int
    /// The sequence up to this row, and what the main model will compute for it.
    var chain: StateChain
    var truth: UInt64
  }

  private(set) var slots: [Slot]
  var rows: [Row] = []

  init(slotCount: Int) { slots = Array(repeating: Slot(), count: slotCount) }

  mutating func write(_ slot: Slot, at place: Int) { slots[place] = slot }
  mutating func copy(_ source: Int, to target: Int) { slots[target] = slots[source] }
}

extension PagedModel {
  func draft(_ batch: ForwardBatch, from sources: [HiddenSource]) {
    require(canDraft, "no MTP module")
    require(sources.count == batch.rowCount && batch.rowCount > 0, "one state for each row")
    var rows: [DraftRecord.Row] = []
    for segment in batch.segments {
      let first = segment.firstPosition
      require(segment.firstVisible > 0, "position 0 has no MTP row")
      var chain: StateChain
      let root: Int
      if case .draft(let source) = sources[rows.count], drafts.rows.indices.contains(source) {
        (chain, root) = (drafts.rows[source].chain, drafts.rows[source].root)
      } else {
        // The last row may stand for the token that was just sampled.
        (chain, root) = (context(segment, to: first), first + segment.tokenCount - 1)
      }
      checkVisible(segment, root: root)
      for position in first..<first + segment.tokenCount {
        let (token, source) = (batch.tokens[rows.count], sources[rows.count])
        let known = slots[place(position, segment)]
        require(position >= root || known.token == token, "MTP row of another token")
        var slot = DraftRecord.Slot(position: position, token: token)
        (slot.origin, slot.isChained) = origin(source, of: position, segment)
        drafts.write(slot, at: place(position, segment))
        let truth = chain.append(token: token)
        rows.append(DraftRecord.Row(slot: slot, root: root, chain: chain, truth: truth))
      }
    }
    drafts.rows = rows
    spend(layers: 1, rows: rows.count)
  }

  /// The state that a row starts from, which must be that of the position before it.
  private func origin(
    _ source: HiddenSource, of position: Int, _ segment: Segment
  ) -> (state: UInt64, isChained: Bool) {
    let before = place(position - 1, segment)
    let expected = State(position: position - 1, state: slots[before].state)
    switch source {
    case .row(let lane, let row):
      let found = state(lane, row)
      require(found == expected, "row \(row) of \(lane) is \(found), not \(expected)")
      return (found.state, false)
    case .page(let page):
      let found = pageStates[page.rawValue]
      require(found == expected, "page \(page.rawValue) keeps \(found), not \(expected)")
      return (found.state, false)
    case .draft(let row):
      guard drafts.rows.indices.contains(row) else {
        require(false, "row \(row) of \(drafts.rows.count) drafts")
        return (0, true)
      }
      let found = drafts.rows[row]
      require(
        found.slot.position == position - 1 && found.slot == drafts.slots[before],
        "draft \(row) is \(found.slot), and position \(position - 1) \(drafts.slots[before])")
      return (found.state, true)
    }
  }

  /// The rows before a segment's first one are there, and belong to what the main model computed.
  private func checkVisible(_ segment: Segment, root: Int) {
    for position in segment.firstVisible..<segment.firstPosition {
      let place = place(position, segment)
      let row = drafts.slots[place]
      require(row.position == position, "no MTP row at position \(position) but \(row)")
      guard position < root else { continue }
      let isCurrent = row.isChained || row.origin == slots[self.place(position - 1, segment)].state
      require(row.token == slots[place].token && isCurrent, "a stale MTP row: \(row)")
    }
  }

  func draftLogits(ofRows rows: [Int]) -> Rows {
    output(
      rows.map { row in
        guard drafts.rows.indices.contains(row) else {
          require(false, "logits of draft \(row) of \(drafts.rows.count)")
          return PagedArithmetic.logits(after: 0)
        }
        let truth = drafts.rows[row].truth
        var coin = SeededGenerator(seed: seed ^ truth)
        let isRight = Double.random(in: 0..<1, using: &coin) < acceptance
        // One further is another token.
        return PagedArithmetic.logits(after: isRight ? truth : truth &+ 1)
      })
  }
}
