// A model without weights that notices every wrong page.
//
// Where a real model stores latents, this one stores which position and token a slot was written
// for and the state there; where a real one attends, it reads all slots from position 0 on. A slot
// that is missing, stale, overwritten, not copied or another sequence's is recorded as a fault, or
// changes the answer.

import Compute
import DeepSeek
import Serving
import TestSupport

final class PagedModel: LanguageModel, @unchecked Sendable {
  // Unchecked: called by the engine alone, and read by the test that steps the engine.
  static let layers = 5

  /// What the main layers stored for a position.
  struct Slot: Equatable {
    var position = -1
    var token: Int32 = -1
    var state: UInt64 = 0
    /// How many layers are stored.
    var layers = 0
  }

  /// A row of a finished pass, or the state that a page keeps.
  struct State: Equatable {
    var position = -1
    var state: UInt64 = 0
  }

  let layerCount = layers
  let canDraft: Bool
  let logitRowCapacity = 3
  let expertLoads: [ExpertLoad] = []
  /// Share of the drafts that are what the model predicts.
  let acceptance: Double
  let seed: UInt64
  private let decodeRows: Int
  private let prefillRows: Int
  private let arena = ScratchArena()
  private let output: Rows

  private(set) var slots: [Slot]
  /// The state of the position computed last in each page.
  private(set) var pageStates: [State]
  private var decoded: [State] = []
  /// Nil while a prefill is under way.
  private var prefilled: [State]?
  private var prefill = ForwardBatch()
  private var prefillDepth = layers
  var drafts: DraftRecord

  /// The first thing that was asked for and could not be right.
  private(set) var fault: String?
  /// Virtual time: a pass costs something for each layer, and less for each row of it.
  private(set) var nanoseconds: UInt64 = 0

  init(limits: EngineLimits, canDraft: Bool = true, acceptance: Double = 0.8, seed: UInt64 = 0) {
    self.canDraft = canDraft
    self.acceptance = acceptance
    self.seed = seed
    decodeRows = limits.decodeRows
    prefillRows = limits.prefillChunk
    output = arena.rows(logitRowCapacity, width: PagedArithmetic.vocabularySize)
    slots = Array(repeating: Slot(), count: limits.pageCount * LatentStorage.tokensPerPage)
    pageStates = Array(repeating: State(), count: limits.pageCount)
    drafts = DraftRecord(slotCount: slots.count)
  }

  func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition, fault == nil { fault = message() }
  }

  func spend(layers: Int, rows: Int) { nanoseconds += UInt64(layers * (1_000_000 + 50_000 * rows)) }

  /// Where a sequence keeps a position.
  func place(_ position: Int, _ segment: Segment) -> Int {
    let (page, slot) = position.quotientAndRemainder(dividingBy: LatentStorage.tokensPerPage)
    return segment.pages[page].rawValue * LatentStorage.tokensPerPage + slot
  }

  // MARK: - Main model

  func decode(_ batch: ForwardBatch) {
    require((1...decodeRows).contains(batch.rowCount), "\(batch.rowCount) rows to decode")
    decoded = compute(batch, layers: 0..<layerCount)
    finish(batch, decoded)
  }

  func beginPrefill(_ batch: ForwardBatch) {
    require((1...prefillRows).contains(batch.rowCount), "\(batch.rowCount) rows to prefill")
    prefill = batch
    prefillDepth = 0
    prefilled = nil
  }

  func advancePrefill(layers: Int) -> Bool {
    require(layers > 0, "a prefill that stands still")
    require(prefillDepth < layerCount, "no prefill is under way")
    let end = min(prefillDepth + layers, layerCount)
    let states = compute(prefill, layers: prefillDepth..<end)
    prefillDepth = end
    guard end == layerCount else { return false }
    prefilled = states
    finish(prefill, states)
    return true
  }

  /// Takes all rows through some layers.
  private func compute(_ batch: ForwardBatch, layers: Range<Int>) -> [State] {
    var states: [State] = []
    var ends: [StateChain] = []
    for segment in batch.segments {
      var chain = context(segment, to: segment.firstPosition)
      for _ in 0..<segment.tokenCount {
        let token = batch.tokens[states.count]
        require((0..<Int32(PagedArithmetic.vocabularySize)).contains(token), "token \(token)")
        let place = place(chain.position, segment)
        var slot = Slot(position: chain.position, token: token, layers: layers.upperBound)
        slot.state = chain.append(token: token)
        write(slot, at: place, after: layers.lowerBound)
        states.append(State(position: slot.position, state: slot.state))
      }
      ends.append(chain)
    }
    if layers.upperBound == layerCount, ends.count > 1 {
      for (segment, end) in zip(batch.segments, ends) {
        let read = context(segment, to: segment.firstPosition + segment.tokenCount)
        require(read == end, "a segment was overwritten by another one of its batch")
      }
    }
    spend(layers: layers.count, rows: batch.rowCount)
    return states
  }

  private func write(_ slot: Slot, at place: Int, after layers: Int) {
    var found = slots[place]
    let foundLayers = found.layers
    found.layers = slot.layers
    if layers > 0 {
      require(
        found == slot && foundLayers >= layers,
        "position \(slot.position) was overwritten while its prefill rested: \(slots[place])")
    }
    // The same latents once more change nothing for others who read them.
    if found != slot || foundLayers < slot.layers { slots[place] = slot }
  }

  /// Reads a sequence from its beginning.
  func context(_ segment: Segment, to end: Int) -> StateChain {
    var chain = StateChain()
    let slots = slots
    for position in 0..<end {
      let slot = slots[place(position, segment)]
      require(
        slot.position == position && slot.layers == layerCount,
        "page \(segment.pages[position / LatentStorage.tokensPerPage].rawValue) was read for "
          + "position \(position) and holds \(slot)")
      chain.append(state: slot.state)
    }
    return chain
  }

  private func finish(_ batch: ForwardBatch, _ states: [State]) {
    var row = 0
    for segment in batch.segments {
      for _ in 0..<segment.tokenCount {
        let page = states[row].position / LatentStorage.tokensPerPage
        pageStates[segment.pages[page].rawValue] = states[row]
        row += 1
      }
    }
  }

  /// A row of the last finished pass of a lane.
  func state(_ lane: ForwardLane, _ row: Int) -> State {
    let states = lane == .decode ? decoded : prefilled ?? []
    require(states.indices.contains(row), "row \(row) of \(states.count) in lane \(lane)")
    return states.indices.contains(row) ? states[row] : State()
  }

  func logits(_ lane: ForwardLane, ofRows rows: [Int]) -> Rows {
    output(rows.map { PagedArithmetic.logits(after: state(lane, $0).state) })
  }

  func output(_ values: [[Float]]) -> Rows {
    precondition((1...logitRowCapacity).contains(values.count), "\(values.count) rows of logits")
    let logits = output.rows(0..<values.count)
    for (row, values) in values.enumerated() {
      logits.withMutableRow(row) { span in
        for column in values.indices { span[column] = values[column] }
      }
    }
    return logits
  }

  func copyPage(slots count: Int, from source: PageIndex, to target: PageIndex) {
    let size = LatentStorage.tokensPerPage
    for slot in 0..<count {
      slots[target.rawValue * size + slot] = slots[source.rawValue * size + slot]
      drafts.copy(source.rawValue * size + slot, to: target.rawValue * size + slot)
    }
  }
}
