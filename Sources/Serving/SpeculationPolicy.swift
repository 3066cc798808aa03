// How many drafts each sequence gets in the next step: as many as make all of them together
// fastest, by what passes of so many rows were measured to cost and how often drafts were right.
//
//   rate(k) = (sequences + expected accepted drafts) / (verification + draft passes)
//
// Drafts are added one by one, the most likely one first, and the best prefix of that order is
// taken; the empty one is plain decoding. `SpeculationLedger` bounds what errors may cost.

/// Chooses depths and learns from every step. A pure function of what was recorded.
package struct SpeculationPolicy {
  /// A sequence that decodes in the next step.
  package struct Candidate {
    var acceptance: DraftAcceptance
    /// The most drafts it can use.
    fileprivate(set) var limit: Int
    /// What was chosen.
    package fileprivate(set) var depth = 0
    /// Chance that all drafts up to the next one are right.
    fileprivate var chance = 1.0

    package init(acceptance: DraftAcceptance, limit: Int) {
      self.acceptance = acceptance
      self.limit = limit
    }
  }

  private let mode: Speculation
  private let draftLimit: Int
  private var costs: StepCosts
  private var all = DraftAcceptance()
  private var ledger = SpeculationLedger()
  /// Seconds of the last step's own passes: its main one, and those that drew its drafts.
  private var mainPass = Passes()
  private var draftPasses = Passes()
  /// Those that drew the drafts of the next step.
  private var nextDraftPasses = Passes()
  /// Steps since the last draft pass, and since the last plain one that said something.
  private var stepsSinceDrafts = 0
  private var stepsSincePlain = 0
  /// Steps that are left of the probe with a draft, or of the pause without any.
  private var probeSteps = 0
  private var pauseSteps = 0
  /// Steps until the next pause.
  private var pauseInterval = Self.firstPauseInterval
  /// Whether drafts paid when that was last considered, and the rate with them over that without.
  private var paid = true
  private var advantage = 1.0
  /// Steps until it is considered again whether drafts pay, and for how many sequences they did
  /// not.
  private var restSteps = 0
  private var restingCount = 0

  /// Passes of one step.
  private struct Passes {
    var seconds = 0.0
    /// As far as they count: the system may have suspended one.
    var counted = 0.0
  }

  /// Considering takes some microseconds, which steps of small models would feel.
  private static let restLength = 7
  /// Plain steps of about so many sequences that are measured before any drafts: everything is
  /// compared with them.
  private static let firstLook = 8
  /// Plain steps after a draft pass that say nothing yet: it leaves other weights in the caches.
  private static let settling = 12
  private static let pauseLength = 24
  /// Steps without a plain one that says something until there is a pause. The first ones come
  /// soon: what drafts are compared with may just have changed when they began. Where drafts gain
  /// little more is lost by not knowing what they gain than by doing without them.
  private static let firstPauseInterval = 64
  private static let pauseIntervalOfSmallGains = 256
  private static let lastPauseInterval = 1024
  private static let smallGain = 1.2
  /// A probe's length: the first drafts after a pause know little of the context and do not count.
  private static let probeLength = 24
  /// Steps without any drafts between two probes, at least.
  private static let probeInterval = 256
  /// Drafts must promise this much more than plain decoding to begin, and to go on.
  private static let margin = 1.05
  private static let marginToGoOn = 1.03
  /// Observations that the record of all sequences remembers.
  private static let memory = 256.0

  package init(_ limits: EngineLimits, draftRows: Int) {
    mode = limits.speculation
    draftLimit = limits.draftsPerStep
    costs = StepCosts(rows: limits.maxSequences, limits.decodeRows, draftRows)
  }

  // MARK: - Measurements

  /// Records a step of the decode lane.
  /// - Parameter drafts: how many of its rows were drafts.
  package mutating func recordStep(rows: Int, drafts: Int, seconds: Double) {
    mainPass.seconds = seconds
    stepsSincePlain += 1
    if drafts > 0 {
      mainPass.counted = costs.record(.verification, rows: rows, seconds: seconds)
    } else if stepsSinceDrafts >= Self.settling {
      mainPass.counted = costs.record(.plain, rows: rows, seconds: seconds)
      stepsSincePlain = 0
    } else {
      mainPass.counted = min(
        seconds, StepCosts.countable * (costs.seconds(Double(rows), .plain) ?? seconds))
    }
    stepsSinceDrafts += 1
    (draftPasses, nextDraftPasses) = (nextDraftPasses, Passes())
  }

  /// Records a pass that drew drafts for the next step.
  package mutating func recordDrafting(rows: Int, seconds: Double) {
    nextDraftPasses.seconds += seconds
    nextDraftPasses.counted += costs.record(.drafting, rows: rows, seconds: seconds)
    stepsSinceDrafts = 0
  }

  /// Records a whole step that did nothing but decode, after its passes.
  /// - Parameters:
  ///   - drafts: how many of its rows were drafts.
  ///   - tokens: what it brought.
  ///   - seconds: from its start to its end, the drafting for the next step included.
  package mutating func recordWhole(sequences: Int, drafts: Int, tokens: Int, seconds: Double) {
    let isPlain = drafts == 0 && stepsSinceDrafts >= Self.settling
    if isPlain || (drafts > 0 && stepsSinceDrafts == 0) {
      ledger.recordExtra(
        seconds - mainPass.seconds - nextDraftPasses.seconds,
        passes: mainPass.seconds + draftPasses.seconds, hasDrafts: !isPlain)
    }
    guard let plainPass = costs.seconds(Double(sequences), .plain) else { return }
    let plainStep = ledger.whole(passes: plainPass, hasDrafts: false)
    ledger.settle(
      seconds: isPlain
        ? plainStep
        : ledger.whole(
          passes: mainPass.counted + draftPasses.counted, hasDrafts: drafts > 0),
      plainStep: plainStep, gain: Double(tokens) / Double(sequences))
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
    case .auto: paid && !ledger.isClosed
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
    guard !candidates.isEmpty, costs.count(.plain, rows: candidates.count) >= Self.firstLook,
      pauseSteps == 0
    else {
      pauseSteps = max(pauseSteps - 1, 0)
      return
    }
    guard !ledger.isClosed else { return }
    if restSteps > 0, restingCount == candidates.count, probeSteps == 0 {
      restSteps -= 1
      return
    }
    var outlook = SpeculationOutlook(sequences: candidates.count, costs, ledger)
    let plainRate = outlook.rate
    let goesOn = stepsSinceDrafts < Self.settling
    // One position deeper than is known: what lies beyond would be hope.
    let depthLimit = all.knownDepth + 1
    for index in candidates.indices {
      candidates[index].limit = min(candidates[index].limit, depthLimit)
    }
    var (bestRate, bestCount) = (plainRate * (goesOn ? Self.marginToGoOn : Self.margin), 0)
    reset(&candidates)
    for count in 0..<draftLimit {
      guard let index = Self.mostLikely(candidates) else { break }
      outlook.add(chance: candidates[index].chance, depth: candidates[index].depth)
      grow(&candidates[index])
      if outlook.rate > bestRate { (bestRate, bestCount) = (outlook.rate, count + 1) }
    }
    // The same order again, up to the best point.
    reset(&candidates)
    for _ in 0..<bestCount {
      guard let index = Self.mostLikely(candidates) else { break }
      grow(&candidates[index])
    }
    paid = bestCount > 0
    advantage = paid ? bestRate / plainRate : 1
    if paid, stepsSinceDrafts > Self.firstPauseInterval { pauseInterval = Self.firstPauseInterval }
    pauseIfDue(&candidates)
    if !paid, pauseSteps == 0 {
      probe(&candidates, plainRate: plainRate)
      (restSteps, restingCount) = (Self.restLength, candidates.count)
    }
  }

  private func reset(_ candidates: inout [Candidate]) {
    for index in candidates.indices {
      candidates[index].depth = 0
      candidates[index].chance = candidates[index].acceptance.chance(0, among: all)
    }
  }

  private func grow(_ candidate: inout Candidate) {
    candidate.depth += 1
    guard candidate.depth < candidate.limit else { return }
    candidate.chance *= candidate.acceptance.chance(candidate.depth, among: all)
  }

  private static func mostLikely(_ candidates: [Candidate]) -> Int? {
    var best: Int?
    for index in candidates.indices where candidates[index].depth < candidates[index].limit {
      if best.map({ candidates[index].chance > candidates[$0].chance }) ?? true { best = index }
    }
    return best
  }

  /// Does without drafts for some steps, to see what these cost.
  private mutating func pauseIfDue(_ candidates: inout [Candidate]) {
    let longest =
      advantage > Self.smallGain ? Self.lastPauseInterval : Self.pauseIntervalOfSmallGains
    guard stepsSincePlain >= min(pauseInterval, longest) else { return }
    pauseInterval = min(2 * pauseInterval, Self.lastPauseInterval)
    stepsSincePlain = 0
    pauseSteps = Self.pauseLength
    for index in candidates.indices { candidates[index].depth = 0 }
  }

  /// Gives one sequence a draft for some steps, if that is not too dear.
  private mutating func probe(_ candidates: inout [Candidate], plainRate: Double) {
    guard let index = candidates.indices.first(where: { candidates[$0].limit > 0 }) else { return }
    if probeSteps == 0 {
      // Drafts of other numbers of sequences tell as much.
      guard all.knownDepth == 0 || stepsSinceDrafts >= Self.probeInterval else { return }
      var outlook = SpeculationOutlook(sequences: candidates.count, costs, ledger)
      outlook.add(chance: 0, depth: 0)
      let loss = outlook.seconds - outlook.tokens / plainRate
      let price = max(loss, costs.seconds(1, .drafting) ?? 0) * Double(Self.probeLength)
      guard ledger.affords(price) else { return }
      probeSteps = Self.probeLength
    }
    probeSteps -= 1
    candidates[index].depth = 1
  }
}
