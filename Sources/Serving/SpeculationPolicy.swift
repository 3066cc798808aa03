// How many drafts each sequence gets in the next step: as many as make all of them together
// fastest, by what passes of so many rows were measured to cost and how often drafts were right.
//
//   rate(k) = (sequences + expected accepted drafts) / (verification + draft passes)
//
// Drafts are added one by one, the most likely one first, and the best prefix of that order is
// taken; the empty one is plain decoding.

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
  /// Steps without drafts, with drafts, and the passes that draw them. The first two are kept apart
  /// because a draft pass leaves other weights in the caches: the same rows cost more after it.
  private var plain: StepCosts
  private var verification: StepCosts
  private var drafting: StepCosts
  private var all = DraftAcceptance()
  private var trial: SpeculationTrial
  /// Seconds that may be spent on finding out whether another choice has become better.
  private var probeCredit = 0.0
  /// Steps since the last draft pass.
  private var stepsSinceDrafts = 0
  /// Whether the drafts of the next step are a probe's.
  private var isProbing = false
  /// Steps that are left of the probe with a draft, or of the pause without any.
  private var probeSteps = 0
  private var pauseSteps = 0
  private var stepsSincePause = 0
  /// Whether drafts paid when that was last considered, and the rate with them over that without.
  private var paid = true
  private var advantage = 1.0

  /// Steps until it is considered again whether drafts pay, and for how many sequences they did
  /// not.
  private var restSteps = 0
  private var restingCount = 0

  /// Considering takes some microseconds, which steps of small models would feel.
  private static let restLength = 7
  /// The share of all time that probes may cost.
  private static let probeShare = 0.003
  /// What may be spent at the start, in steps: one has to know something first.
  private static let firstCredit = 60.0
  /// Plain steps of about so many sequences that are measured before any drafts: everything is
  /// compared with them.
  private static let firstLook = 8
  /// Plain steps after a draft pass that say nothing yet, and the length of a pause.
  private static let settling = 12
  private static let pauseLength = 24
  /// Steps with drafts between two pauses, at least.
  private static let pauseInterval = 256
  /// Steps until drafts are as good as before a pause.
  private static let recovery = 8
  /// A probe's length: the first drafts after a pause know little of the context and do not count.
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
      let wasKnown = plain.seconds(1) != nil
      plain.record(rows: rows, seconds: seconds)
      if !wasKnown, let step = plain.seconds(Double(rows)) {
        probeCredit = Self.firstCredit * step
      }
    }
    stepsSinceDrafts += 1
    probeCredit += Self.probeShare * seconds
  }

  package mutating func recordDrafting(rows: Int, seconds: Double) {
    drafting.record(rows: rows, seconds: seconds)
    stepsSinceDrafts = 0
    probeCredit += Self.probeShare * seconds
  }

  /// Records a whole step that did nothing but decode.
  /// - Parameters:
  ///   - drafts: how many of its rows were drafts.
  ///   - tokens: what it brought.
  ///   - seconds: from its start to its end, the drafting for the next step included.
  package mutating func recordWhole(sequences: Int, drafts: Int, tokens: Int, seconds: Double) {
    if drafts == 0, stepsSinceDrafts >= Self.settling {
      trial.recordPlain(sequences: sequences, tokens: tokens, seconds: seconds)
    } else if drafts > 0, isProbing {
      trial.recordProbe(sequences: sequences, tokens: tokens, seconds: seconds)
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
      pauseSteps == 0
    else {
      pauseSteps = max(pauseSteps - 1, 0)
      return
    }
    if restSteps > 0, restingCount == candidates.count, probeSteps == 0 {
      restSteps -= 1
      return
    }
    isProbing = false
    guard trial.allowsDrafts(sequences: candidates.count) else { return }
    var outlook = Outlook(sequences: candidates.count, plain, verification, drafting)
    let plainRate = outlook.rate
    // One position deeper than is known: what lies beyond would be hope.
    let depthLimit = all.knownDepth + 1
    for index in candidates.indices {
      candidates[index].limit = min(candidates[index].limit, depthLimit)
    }
    var (bestRate, bestCount) = (plainRate * Self.margin, 0)
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
    if paid {
      pauseIfAffordable(&candidates, plainRate: plainRate)
    } else {
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

  /// Does without drafts for some steps, to see what these cost, if that is not too dear.
  private mutating func pauseIfAffordable(_ candidates: inout [Candidate], plainRate: Double) {
    let step = Double(candidates.count) / plainRate
    let price = step * max(1, Double(Self.pauseLength + Self.recovery) * (1 - 1 / advantage))
    stepsSincePause += 1
    guard stepsSincePause >= Self.pauseInterval, probeCredit >= price else { return }
    probeCredit -= price
    stepsSincePause = 0
    pauseSteps = Self.pauseLength
    for index in candidates.indices { candidates[index].depth = 0 }
  }

  /// Gives one sequence a draft for some steps, if that is not too dear.
  private mutating func probe(_ candidates: inout [Candidate], plainRate: Double) {
    guard let index = candidates.indices.first(where: { candidates[$0].limit > 0 }) else { return }
    if probeSteps == 0 {
      var outlook = Outlook(sequences: candidates.count, plain, verification, drafting)
      outlook.add(chance: 0, depth: 0)
      let loss = outlook.seconds - outlook.tokens / plainRate
      let price = max(loss, drafting.seconds(1) ?? 0) * Double(Self.probeLength)
      guard probeCredit >= price else { return }
      probeCredit -= price
      probeSteps = Self.probeLength
    }
    probeSteps -= 1
    isProbing = true
    candidates[index].depth = 1
  }
}

/// What a step with some drafts is expected to cost and to bring.
private struct Outlook {
  private let plain: StepCosts
  private let verification: StepCosts
  private let drafting: StepCosts
  /// Rows of the step.
  private var rows: Int
  /// Expected tokens of the step.
  private(set) var tokens: Double
  /// Sequences with a draft at each depth.
  private var drafts = SIMD8<Int>(repeating: 0)

  init(
    sequences: Int, _ plain: StepCosts, _ verification: StepCosts, _ drafting: StepCosts
  ) {
    self.plain = plain
    self.verification = verification
    self.drafting = drafting
    rows = sequences
    tokens = Double(sequences)
  }

  /// Adds a draft at `depth` (from 0) that is right with some chance.
  mutating func add(chance: Double, depth: Int) {
    rows += 1
    tokens += chance
    drafts[depth] += 1
  }

  var rate: Double { tokens / seconds }

  /// The verification pass and one draft pass per depth. The first one also computes the rows of
  /// tokens that were accepted since.
  var seconds: Double {
    let sequences = rows - drafts.wrappedSum()
    let plainStep = plain.seconds(Double(rows)) ?? 0
    guard rows > sequences else { return plainStep }
    var sum = verification.seconds(Double(rows)) ?? plainStep
    for depth in 0..<Speculation.maxDepth where drafts[depth] > 0 {
      let accepted = depth == 0 ? tokens - Double(sequences) : 0
      let passRows = Double(drafts[depth]) + accepted
      // Drafting that was never measured is taken for a quarter of a step.
      sum += drafting.seconds(passRows) ?? (plain.seconds(passRows) ?? 0) / 4
    }
    return sum
  }
}
