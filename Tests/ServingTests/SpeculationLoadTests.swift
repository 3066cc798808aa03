// The choice of draft depths while sequences come and go, on simulated machines: what plain steps
// would have taken for the same tokens is known there.

import Foundation
import Serving
import TestSupport
import Testing

/// How many sequences decode in each step.
struct SimulatedLoad: CustomTestStringConvertible {
  let testDescription: String
  /// How many there are for how many steps, drawn anew when these are over.
  let draw: @Sendable (Int, inout SeededGenerator) -> (sequences: Int, steps: Int)

  static func fixed(_ sequences: Int) -> SimulatedLoad {
    SimulatedLoad(testDescription: "\(sequences)") { _, _ in (sequences, .max) }
  }

  static func changing(_ sequences: ClosedRange<Int>, every steps: ClosedRange<Int>)
    -> SimulatedLoad
  {
    SimulatedLoad(testDescription: "\(sequences) every \(steps)") { _, generator in
      (.random(in: sequences, using: &generator), .random(in: steps, using: &generator))
    }
  }

  /// One sequence, and many for a while.
  static let bursts = SimulatedLoad(testDescription: "bursts") { before, generator in
    before == 1
      ? (.random(in: 8...16, using: &generator), .random(in: 20...100, using: &generator))
      : (1, .random(in: 50...300, using: &generator))
  }
}

/// What passes cost, in steps of one sequence, and how often drafts are right.
struct SimulatedCosts: CustomTestStringConvertible {
  /// Of another row, and of a draft pass with one row.
  var furtherRow = 0.1
  var draft = 0.25
  /// What a draft pass costs besides, and by which share it slows the next two steps down.
  var hidden = 0.0
  /// Chance that a draft is right when those before it were, by step.
  var acceptance: @Sendable (Int) -> Double
  /// What everything costs, by step.
  var level: @Sendable (Int) -> Double = { _ in 1 }
  var testDescription: String

  init(
    _ description: String, furtherRow: Double = 0.1, draft: Double = 0.25, hidden: Double = 0,
    acceptance: @escaping @Sendable (Int) -> Double,
    level: @escaping @Sendable (Int) -> Double = { _ in 1 }
  ) {
    self.furtherRow = furtherRow
    self.draft = draft
    self.hidden = hidden
    self.acceptance = acceptance
    self.level = level
    testDescription = description
  }

  func main(_ rows: Int) -> Double { 1 + furtherRow * Double(rows - 1) }
  func draft(_ rows: Int) -> Double { draft * (1 + 0.5 * furtherRow * Double(rows - 1)) }
}

/// An engine whose sequences come and go.
private struct SimulatedEngine {
  struct Sequence {
    var record = DraftAcceptance()
    var depth = 0
    /// Tokens that the next draft pass has to catch up with.
    var newTokens = 1
  }

  let costs: SimulatedCosts
  let load: SimulatedLoad
  var policy: SpeculationPolicy
  var generator: SeededGenerator
  var arrivals: SeededGenerator
  var sequences: [Sequence] = []
  private var count = 0
  private var stepsToChange = 0
  private var stepsSinceDrafts = 1000
  /// Seconds without noise, and those that plain steps would have taken for the same tokens.
  var time = 0.0
  var plainTime = 0.0

  init(_ costs: SimulatedCosts, _ load: SimulatedLoad, _ speculation: Speculation, seed: UInt64) {
    var limits = EngineTests.limits(sequences: 16)
    limits.speculation = speculation
    (self.costs, self.load) = (costs, load)
    policy = SpeculationPolicy(limits, draftRows: 1000)
    (generator, arrivals) = (SeededGenerator(seed: seed), SeededGenerator(seed: ~seed))
    comeAndGo()
  }

  /// What plain decoding takes over what this takes, in some steps.
  mutating func advantage(_ steps: Range<Int>) -> Double {
    (time, plainTime) = (0, 0)
    for step in steps { self.step(step) }
    return plainTime / time
  }

  /// Several percent of noise; one pass in 200 is held up.
  private mutating func noisy(_ seconds: Double) -> Double {
    let isHeldUp = Int.random(in: 0..<200, using: &generator) == 0
    let factor = Double.random(in: 0.94...1.06, using: &generator)
    return seconds * factor * (isHeldUp ? 10 : 1)
  }

  private mutating func comeAndGo() {
    if stepsToChange == 0 { (count, stepsToChange) = load.draw(count, &arrivals) }
    stepsToChange -= 1
    while sequences.count > count {
      let leaving = Int.random(in: 0..<sequences.count, using: &generator)
      sequences.remove(at: leaving)
    }
    while sequences.count < count { sequences.append(Sequence()) }
  }

  private mutating func step(_ step: Int) {
    let (before, level) = (sequences.count, costs.level(step))
    let drafts = sequences.reduce(0) { $0 + $1.depth }
    let slowdown = stepsSinceDrafts < 2 ? 1 + costs.hidden : 1
    let main = level * costs.main(before + drafts) * slowdown
    var whole = noisy(main)
    time += main
    policy.recordStep(rows: before + drafts, drafts: drafts, seconds: whole)
    stepsSinceDrafts += 1
    var tokens = before
    for index in sequences.indices {
      let accepted = accept(index, chance: costs.acceptance(step))
      tokens += accepted
      sequences[index].newTokens = 1 + accepted
    }
    plainTime += level * costs.main(before) * Double(tokens) / Double(before)
    comeAndGo()
    whole += draft(level: level)
    policy.recordWhole(sequences: before, drafts: drafts, tokens: tokens, seconds: whole)
  }

  private mutating func accept(_ index: Int, chance: Double) -> Int {
    let depth = sequences[index].depth
    guard depth > 0 else { return 0 }
    var accepted = 0
    while accepted < depth, Double.random(in: 0..<1, using: &generator) < chance { accepted += 1 }
    policy.record(drafted: depth, accepted: accepted, of: &sequences[index].record)
    return accepted
  }

  /// The seconds that this is measured to take.
  private mutating func draft(level: Double) -> Double {
    var candidates = sequences.map {
      SpeculationPolicy.Candidate(acceptance: $0.record, limit: 8)
    }
    policy.chooseDepths(&candidates)
    for index in sequences.indices { sequences[index].depth = candidates[index].depth }
    var whole = 0.0
    for depth in 0..<8 {
      let drafting = sequences.filter { $0.depth > depth }
      guard !drafting.isEmpty else { break }
      let rows = depth == 0 ? drafting.reduce(0) { $0 + $1.newTokens } : drafting.count
      let pass = level * costs.draft(rows)
      let hidden = depth == 0 ? level * costs.hidden : 0
      let measured = noisy(pass)
      policy.recordDrafting(rows: rows, seconds: measured)
      time += pass + hidden
      whole += measured + hidden
      stepsSinceDrafts = 0
    }
    return whole
  }
}

@Suite("Speculation policy under changing loads")
struct SpeculationLoadTests {
  static let loads: [SimulatedLoad] =
    [1, 2, 4, 8, 16].map(SimulatedLoad.fixed) + [
      .changing(1...8, every: 3...10), .changing(1...16, every: 3...10),
      .changing(1...8, every: 1...1), .changing(1...16, every: 1...1), .bursts,
    ]

  static let costs: [SimulatedCosts] = [
    .init("useless drafts", draft: 0.05, hidden: 0.15, acceptance: { _ in 0 }),
    .init("cheap drafts, dear rows", furtherRow: 0.9, draft: 0.05, acceptance: { _ in 0.2 }),
    .init("costs that nobody measures", draft: 0.05, hidden: 0.15, acceptance: { _ in 0.5 }),
    .init("drafts that hardly pay", acceptance: { _ in 0.5 }),
    .init("good drafts", acceptance: { _ in 0.8 }),
    .init("dear drafts", draft: 0.6, hidden: 0.1, acceptance: { _ in 0.8 }),
    .init("very good drafts", hidden: 0.2, acceptance: { _ in 0.95 }),
    .init("drafts that turn bad and good", acceptance: { $0 / 1000 % 2 == 0 ? 0.8 : 0.1 }),
    .init(
      "slow drift", hidden: 0.15, acceptance: { _ in 0.8 },
      level: { 1 + 0.25 * sin(Double($0) / 400) }),
    .init(
      "jumps", draft: 0.6, acceptance: { _ in 0.5 }, level: { $0 / 1500 % 2 == 1 ? 1.6 : 1 }),
    .init("all becomes faster", acceptance: { _ in 0.5 }, level: { $0 < 2000 ? 1 : 0.6 }),
  ]

  /// The same seed each time: how much is lost by chance has a long tail, and what is held here is
  /// what the policy was tuned to.
  @Test("as fast as plain decoding", arguments: costs, loads)
  func neverLoses(costs: SimulatedCosts, load: SimulatedLoad) {
    var engine = SimulatedEngine(costs, load, .auto, seed: 1)
    let (first, later) = (engine.advantage(0..<3000), engine.advantage(3000..<6000))
    #expect(first > 0.98 && later > 0.98, "first \(first), later \(later)")
  }

  @Test(
    "good drafts are used whatever the load",
    arguments: [
      (.fixed(1), 1.5), (.fixed(2), 1.3), (.changing(1...8, every: 3...10), 1.15),
      (.changing(1...8, every: 1...1), 1.15), (.changing(1...16, every: 1...1), 1.05),
      (.bursts, 1.4),
    ] as [(SimulatedLoad, Double)])
  func gains(load: SimulatedLoad, least: Double) {
    let costs = SimulatedCosts("very good drafts", hidden: 0.2, acceptance: { _ in 0.95 })
    var engine = SimulatedEngine(costs, load, .auto, seed: 1)
    let (first, later) = (engine.advantage(0..<3000), engine.advantage(3000..<6000))
    #expect(first > least && later > least, "first \(first), later \(later)")
  }
}
