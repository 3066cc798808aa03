// What a step with some drafts should cost and bring.

/// Expected tokens and seconds of a step to which drafts are added one by one.
struct SpeculationOutlook {
  private let costs: StepCosts
  private let ledger: SpeculationLedger
  private let sequences: Int
  /// Rows of the step.
  private var rows: Int
  /// Expected tokens of the step.
  private(set) var tokens: Double
  /// Sequences with a draft at each depth.
  private var drafts = SIMD8<Int>(repeating: 0)

  init(sequences: Int, _ costs: StepCosts, _ ledger: SpeculationLedger) {
    self.costs = costs
    self.ledger = ledger
    self.sequences = sequences
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

  /// The verification pass and one draft pass per depth, and what else the engine does. The first
  /// draft pass also computes the rows of tokens that were accepted since.
  var seconds: Double {
    let plainStep = costs.seconds(Double(rows), .plain) ?? 0
    guard rows > sequences else { return ledger.whole(passes: plainStep, hasDrafts: false) }
    var sum = costs.seconds(Double(rows), .verification) ?? plainStep
    for depth in 0..<Speculation.maxDepth where drafts[depth] > 0 {
      let accepted = depth == 0 ? tokens - Double(sequences) : 0
      let passRows = Double(drafts[depth]) + accepted
      // Drafting that was never measured is taken for a quarter of a step.
      sum += costs.seconds(passRows, .drafting) ?? (costs.seconds(passRows, .plain) ?? 0) / 4
    }
    return ledger.whole(passes: sum, hasDrafts: true)
  }
}
