// What a step with some drafts should cost and bring, by what passes of so many rows were measured
// to take.

/// Expected tokens and seconds of a step to which drafts are added one by one.
struct SpeculationOutlook {
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
