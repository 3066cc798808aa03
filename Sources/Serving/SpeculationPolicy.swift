// How many drafts each sequence gets in the next step: as many as make all of them together
// fastest, by what passes of so many rows were measured to cost and how often drafts were right.
//
//   rate(k) = (sequences + expected accepted drafts) / (verification + draft passes)
//
// Drafts are added one by one, the most likely one first, and the best prefix of that order is
// taken; the empty one is plain decoding. `SpeculationTrial` has the last word.

/// Chooses depths and learns from every step. A pure function of what was recorded.
package struct SpeculationPolicy {
  /// A sequence that decodes in the next step.
  package struct Candidate {
    var acceptance: DraftAcceptance
    /// The most drafts it can use.
    fileprivate(set) var limit: Int
    /// What was chosen.
    package fileprivate(set) var depth = 0
    /// What is being considered, and the chance that these drafts and the next one are all right.
    fileprivate var considered = 0
    fileprivate var chance = 1.0

    package init(acceptance: DraftAcceptance, limit: Int) {
      self.acceptance = acceptance
      self.limit = limit
    }
  }

  private let mode: Speculation
  private let draftLimit: Int
  /// Steps without drafts, with drafts, and the passes that draw them. The first two are kept apart
  /// because a draft pass leaves other weights in the caches: the same rows cost more after it.
  private var plain: StepCosts
  private var verification: StepCosts
  private var drafting: StepCosts
  private var all = DraftAcceptance()
  private var trial: SpeculationTrial
  /// Steps since the last draft pass.
  private var stepsSinceDrafts = 0
  /// Whether drafts seemed to pay when that was last considered, and the steps in which they did
  /// not.
  private var paid = true
  private var unpaidSteps = 0

  /// Plain steps of about so many sequences that are measured before any drafts: everything is
  /// compared with them.
  private static let firstLook = 8
  /// Plain steps after a draft pass that say nothing yet.
  static let settling = 12
  /// Of so many steps in which drafts do not seem to pay, the first ones have one all the same:
  /// otherwise nobody would notice that they have become better. What a sequence's first drafts
  /// after a while say does not count, since they know little of the context.
  private static let probeInterval = 1024
  private static let probeLength = 24
  /// Drafts must promise this much more than plain decoding.
  private static let margin = 1.05
  /// Observations that the record of all sequences remembers.
  private static let memory = 256.0

  package init(_ limits: EngineLimits, draftRows: Int) {
    mode = limits.speculation
    draftLimit = limits.draftsPerStep
    plain = StepCosts(rows: limits.maxSequences)
    verification = StepCosts(rows: limits.decodeRows)
    drafting = StepCosts(rows: draftRows)
    trial = SpeculationTrial(sequences: limits.maxSequences)
  }

  // MARK: - Measurements

  /// Records a step of the decode lane.
  /// - Parameter drafts: how many of its rows were drafts.
  package mutating func recordStep(rows: Int, drafts: Int, seconds: Double) {
    if drafts > 0 {
      verification.record(rows: rows, seconds: seconds)
    } else if stepsSinceDrafts >= Self.settling {
      plain.record(rows: rows, seconds: seconds)
    }
    stepsSinceDrafts += 1
  }

  package mutating func recordDrafting(rows: Int, seconds: Double) {
    drafting.record(rows: rows, seconds: seconds)
    stepsSinceDrafts = 0
  }

  /// Records a whole step that did nothing but decode.
  /// - Parameters:
  ///   - drafts: how many of its rows were drafts.
  ///   - tokens: what it brought.
  ///   - seconds: from its start to its end, the drafting for the next step included.
  package mutating func recordWhole(sequences: Int, drafts: Int, tokens: Int, seconds: Double) {
    if drafts == 0, stepsSinceDrafts >= Self.settling {
      trial.recordPlain(sequences: sequences, tokens: tokens, seconds: seconds)
    } else if drafts > 0 {
      trial.recordDrafted(sequences: sequences, tokens: tokens, seconds: seconds)
    }
  }

  package mutating func record(drafted: Int, accepted: Int, of sequence: inout DraftAcceptance) {
    sequence.record(drafted: drafted, accepted: accepted)
    all.record(drafted: drafted, accepted: accepted, memory: Self.memory)
  }

  // MARK: - Choices

  /// Whether it is worth keeping the MTP rows of prompts.
  package var coversPrompts: Bool {
    switch mode {
    case .off: false
    case .fixed: true
    case .auto: paid
    }
  }

  /// Fills in the depth of each candidate. A sequence counts for its one token whatever its limit.
  package mutating func chooseDepths(_ candidates: inout [Candidate]) {
    switch mode {
    case .off: break
    case .fixed(let depth):
      for index in candidates.indices {
        candidates[index].depth = min(depth, candidates[index].limit)
      }
    case .auto: chooseBestDepths(&candidates)
    }
  }

  private mutating func chooseBestDepths(_ candidates: inout [Candidate]) {
    guard !candidates.isEmpty, plain.count(rows: candidates.count) >= Self.firstLook,
      let first = candidates.firstIndex(where: { $0.limit > 0 }),
      trial.allowsDrafts(sequences: candidates.count)
    else { return }
    paid = takeBest(&candidates)
    guard !paid else { return }
    if unpaidSteps % Self.probeInterval < Self.probeLength { candidates[first].depth = 1 }
    unpaidSteps += 1
  }

  /// Adds drafts, the most likely one first, and takes as many as make the step fastest. False when
  /// these are none.
  private func takeBest(_ candidates: inout [Candidate]) -> Bool {
    // One position deeper than is known: what lies beyond would be hope.
    let depthLimit = all.knownDepth + 1
    for index in candidates.indices {
      candidates[index].limit = min(candidates[index].limit, depthLimit)
      candidates[index].chance = candidates[index].acceptance.chance(0, among: all)
    }
    var outlook = SpeculationOutlook(sequences: candidates.count, plain, verification, drafting)
    let leastRate = outlook.rate * Self.margin
    var bestRate = leastRate
    for _ in 0..<draftLimit {
      guard let index = Self.mostLikely(candidates) else { break }
      outlook.add(chance: candidates[index].chance, depth: candidates[index].considered)
      grow(&candidates[index])
      guard outlook.rate > bestRate else { continue }
      bestRate = outlook.rate
      for index in candidates.indices { candidates[index].depth = candidates[index].considered }
    }
    return bestRate > leastRate
  }

  private static func mostLikely(_ candidates: [Candidate]) -> Int? {
    var best: Int?
    for index in candidates.indices where candidates[index].considered < candidates[index].limit {
      if best.map({ candidates[index].chance > candidates[$0].chance }) ?? true { best = index }
    }
    return best
  }

  private func grow(_ candidate: inout Candidate) {
    candidate.considered += 1
    guard candidate.considered < candidate.limit else { return }
    candidate.chance *= candidate.acceptance.chance(candidate.considered, among: all)
  }
}
