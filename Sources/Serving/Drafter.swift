// Drafting with the MTP module: after each step it catches up with the tokens that were accepted
// and guesses the next ones, which the next step verifies beside everybody's decode.

import Compute
import DeepSeek
import Sampling

/// Gives sequences their drafts.
struct Drafter {
  /// A sequence whose rows were just computed.
  private struct Job {
    let sequence: SequenceState
    let lane: ForwardLane
    /// The first of its rows in the lane's pass, and that row's position.
    let firstRow: Int
    let firstPosition: Int
    /// The last position whose MTP row can be computed: its token and the state before it are
    /// known.
    let lastPosition: Int
    /// Index among the candidates; nil while its prompt is not finished.
    let candidate: Int?
    var depth = 0
    /// Its last row in the last draft pass.
    var row = 0
  }

  var policy: SpeculationPolicy
  /// Whether MTP rows are kept at all.
  let keepsRows: Bool
  private let rowLimit: Int
  private var jobs: [Job] = []
  private var candidates: [SpeculationPolicy.Candidate] = []
  private var batch: ForwardBatch
  private var sources: [HiddenSource] = []
  /// Jobs that draw a draft from the last draft pass.
  private var drawing: [Int] = []
  private var drawnRows: [Int] = []
  /// Passes of the MTP module in the last call of `draft`, and of its output head.
  private(set) var passes = 0
  private(set) var headPasses = 0

  /// The most positions of a prompt that the MTP module reads before it drafts: nearby text says
  /// most of what comes next, and prompts should not wait for more.
  private static let promptWindow = 256

  init(_ limits: EngineLimits, canDraft: Bool) {
    keepsRows = canDraft && limits.speculation != .off
    rowLimit = max(limits.decodeRows, limits.prefillChunk)
    policy = SpeculationPolicy(limits, draftRows: rowLimit)
    batch = ForwardBatch(reservingRows: rowLimit, segments: limits.maxSequences)
    sources.reserveCapacity(rowLimit)
    jobs.reserveCapacity(limits.maxSequences)
    candidates.reserveCapacity(limits.maxSequences)
    drawing.reserveCapacity(limits.maxSequences)
    drawnRows.reserveCapacity(limits.maxSequences)
  }

  /// Takes in the sequences of a finished pass.
  mutating func add(_ pass: LanePass) {
    guard keepsRows else { return }
    for entry in pass.entries where !entry.sequence.isCancelled {
      let sequence = entry.sequence
      guard sequence.finished == nil, sequence.remaining > 0 else { continue }
      let decodesNext = sequence.pending == 1
      if decodesNext {
        candidates.append(
          .init(
            acceptance: sequence.acceptance,
            limit: min(Speculation.maxDepth, sequence.remaining - 1)))
      }
      jobs.append(
        Job(
          sequence: sequence, lane: pass.lane, firstRow: entry.firstRow,
          firstPosition: entry.firstPosition,
          lastPosition: min(sequence.tokens.count - 1, entry.firstPosition + entry.keptRows),
          candidate: decodesNext ? candidates.count - 1 : nil))
    }
  }

  /// Drafts for the sequences that were added. Each of them gets pages for its drafts here, so that
  /// a step that verifies them needs none; without pages there are no drafts.
  mutating func draft(
    with model: some LanguageModel, _ pool: inout LatentPool, spare: Int, clock: () -> UInt64
  ) {
    defer {
      removeRows()
      jobs.removeAll(keepingCapacity: true)
      candidates.removeAll(keepingCapacity: true)
    }
    (passes, headPasses) = (0, 0)
    guard !jobs.isEmpty else { return }
    policy.chooseDepths(&candidates)
    for index in jobs.indices {
      jobs[index].depth = reserveDrafts(jobs[index], &pool, spare: spare)
    }
    for depth in 0..<Speculation.maxDepth {
      let start = clock()
      let isMeasured = depth == 0 ? listKnownRows() : listDrafts(depth: depth)
      guard batch.rowCount > 0 else { break }
      model.draft(batch, from: sources)
      passes += 1
      draw(from: model)
      guard isMeasured else { continue }
      policy.recordDrafting(rows: batch.rowCount, seconds: Double(clock() - start) / 1e9)
    }
    for job in jobs where job.depth > 0 { job.sequence.forgetDrafts() }
  }

  /// How many drafts a job can have, with the pages for them.
  private func reserveDrafts(_ job: Job, _ pool: inout LatentPool, spare: Int) -> Int {
    guard let candidate = job.candidate, candidates[candidate].depth > 0 else { return 0 }
    let sequence = job.sequence
    let end = sequence.tokens.count + candidates[candidate].depth
    let size = LatentStorage.tokensPerPage
    while sequence.pages.count * size < end, pool.availableCount > spare,
      let page = pool.allocate()
    {
      sequence.pages.append(page)
    }
    return max(0, min(end, sequence.pages.count * size) - sequence.tokens.count)
  }

  // MARK: - Rows

  /// Lists the rows of known tokens. False when prompts are among them, which cost more than their
  /// number says.
  private mutating func listKnownRows() -> Bool {
    removeRows()
    var isDecodeOnly = true
    for index in jobs.indices {
      let job = jobs[index]
      guard job.depth > 0 || (job.lane == .prefill && policy.coversPrompts) else { continue }
      guard let positions = missingPositions(job) else {
        // Others took all rows of the pass.
        jobs[index].depth = 0
        continue
      }
      if job.lane == .prefill { isDecodeOnly = false }
      append(positions, of: job)
      jobs[index].row = batch.rowCount - 1
      if job.depth > 0 { drawing.append(index) }
    }
    return isDecodeOnly
  }

  /// The positions whose MTP rows are to be computed. They follow those that are stored, where the
  /// states between are at hand; otherwise the module's context begins anew.
  private func missingPositions(_ job: Job) -> Range<Int>? {
    let (sequence, first, end) = (job.sequence, job.firstPosition, job.lastPosition + 1)
    var start = sequence.drafted.upperBound
    if start <= first, !(start == first && sequence.startsFromPage(at: first)) {
      start = first + 1
    }
    if job.lane == .prefill { start = max(start, sequence.tokens.count - Self.promptWindow) }
    start = max(start, end - (rowLimit - batch.rowCount))
    guard start < end else { return nil }
    if start != sequence.drafted.upperBound { sequence.drafted = start..<start }
    sequence.drafted = sequence.drafted.lowerBound..<end
    return start..<end
  }

  private mutating func append(_ positions: Range<Int>, of job: Job) {
    let sequence = job.sequence
    batch.append(
      Segment(
        firstPosition: positions.lowerBound, tokenCount: positions.count, pages: sequence.pages,
        firstVisible: sequence.drafted.lowerBound),
      tokens: sequence.tokens[positions])
    for position in positions {
      let before = position - 1
      if before < job.firstPosition {
        sources.append(.page(sequence.pages[before / LatentStorage.tokensPerPage]))
      } else {
        sources.append(.row(job.lane, job.firstRow + before - job.firstPosition))
      }
    }
  }

  /// Lists the drafts that were just drawn, for those that go deeper: the module's own output
  /// stands for the main model's state.
  private mutating func listDrafts(depth: Int) -> Bool {
    removeRows()
    for index in jobs.indices where jobs[index].depth > depth {
      let sequence = jobs[index].sequence
      batch.append(
        Segment(
          firstPosition: sequence.tokens.count - 1 + depth, tokenCount: 1, pages: sequence.pages,
          firstVisible: sequence.drafted.lowerBound),
        tokens: sequence.drafts.suffix(1))
      sources.append(.draft(jobs[index].row))
      jobs[index].row = batch.rowCount - 1
      drawing.append(index)
    }
    return true
  }

  private mutating func removeRows() {
    batch.removeAll()
    sources.removeAll(keepingCapacity: true)
    drawing.removeAll(keepingCapacity: true)
  }

  private mutating func draw(from model: some LanguageModel) {
    for first in stride(from: 0, to: drawing.count, by: model.logitRowCapacity) {
      let block = drawing[first..<min(first + model.logitRowCapacity, drawing.count)]
      drawnRows.removeAll(keepingCapacity: true)
      for index in block { drawnRows.append(jobs[index].row) }
      let logits = model.draftLogits(ofRows: drawnRows)
      headPasses += 1
      for (offset, index) in block.enumerated() {
        logits.withRow(offset) { jobs[index].sequence.draw(draftFrom: $0) }
      }
    }
  }
}
