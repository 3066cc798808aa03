// Depths on simulated machines: what drafting costs and brings is known there, so the choice can be
// held against every fixed one.

import Serving
import TestSupport
import Testing

/// A machine with a model whose passes cost what the test says, and whose drafts are right as often
/// as it says.
private struct SimulatedMachine {
  /// Seconds of a verification and of a draft pass by rows.
  let verification: (Int) -> Double
  let drafting: (Int) -> Double
  /// Chance that a draft is right when those before it were.
  let acceptance: Double
  /// What drafting does to the steps that follow it, by leaving other weights in the caches.
  let pollution: Double
  /// What a step with drafts takes besides its passes, which nobody measures by itself.
  var hidden = 0.0
  /// Passes vary by this share either way; one in 50 takes five times as long.
  var noise = 0.2
  var generator: SeededGenerator

  private mutating func noisy(_ seconds: Double) -> Double {
    let factor = Double.random(in: 1 - noise...1 + noise, using: &generator)
    return seconds * factor * (Int.random(in: 0..<50, using: &generator) == 0 ? 5 : 1)
  }

  /// Tokens per second of some sequences over a number of steps, had there been no noise. What is
  /// spent on finding out at the start does not count.
  mutating func rate(_ speculation: Speculation, sequences: Int, steps: Int) -> Double {
    var limits = EngineTests.limits(sequences: sequences)
    limits.speculation = speculation
    var policy = SpeculationPolicy(limits, draftRows: 1000)
    var records = [DraftAcceptance](repeating: DraftAcceptance(), count: sequences)
    var depths = [Int](repeating: 0, count: sequences)
    var (tokens, time) = (0, 0.0)
    var stepsSinceDrafts = 0
    for step in -500..<steps {
      if step == 0 { (tokens, time) = (0, 0) }
      let drafts = depths.reduce(0, +)
      let rows = sequences + drafts
      let cost = verification(rows) * (stepsSinceDrafts < 2 ? pollution : 1)
      var whole = noisy(cost)
      policy.recordStep(rows: rows, drafts: drafts, seconds: whole)
      time += cost
      let tokensBefore = tokens
      stepsSinceDrafts += 1
      tokens += sequences
      for index in 0..<sequences where depths[index] > 0 {
        var accepted = 0
        while accepted < depths[index], Double.random(in: 0..<1, using: &generator) < acceptance {
          accepted += 1
        }
        policy.record(drafted: depths[index], accepted: accepted, of: &records[index])
        tokens += accepted
      }
      var candidates = records.map { SpeculationPolicy.Candidate(acceptance: $0, limit: 8) }
      policy.chooseDepths(&candidates)
      depths = candidates.map(\.depth)
      for depth in 0..<8 {
        let rows = depths.count { $0 > depth }
        guard rows > 0 else { break }
        stepsSinceDrafts = 0
        let seconds = noisy(drafting(rows))
        policy.recordDrafting(rows: rows, seconds: seconds)
        time += drafting(rows) + (depth == 0 ? hidden : 0)
        whole += seconds + (depth == 0 ? hidden : 0)
      }
      policy.recordWhole(
        sequences: sequences, drafts: drafts, tokens: tokens - tokensBefore, seconds: whole)
    }
    return Double(tokens) / time
  }
}

@Suite("Speculation policy")
struct SpeculationPolicyTests {
  /// Cost of one row, of another one, and of a draft row, in milliseconds.
  static let machines: [(first: Double, further: Double, draft: Double)] = [
    (10, 1, 1), (10, 5, 2), (10, 9, 3), (10, 10, 10), (1, 0.2, 0.1),
  ]

  private func machine(
    _ costs: (first: Double, further: Double, draft: Double), acceptance: Double,
    pollution: Double, seed: UInt64
  ) -> SimulatedMachine {
    SimulatedMachine(
      verification: { (costs.first + costs.further * Double($0 - 1)) / 1000 },
      drafting: { costs.draft * (1 + 0.5 * Double($0 - 1)) / 1000 }, acceptance: acceptance,
      pollution: pollution, generator: SeededGenerator(seed: seed))
  }

  @Test(
    "near the best fixed depth, and never slower than none",
    arguments: machines.indices, [(0, 1), (0.3, 1), (0.8, 1), (0.95, 1), (0.8, 1.4), (0.95, 2)])
  func nearBest(index: Int, drafts: (acceptance: Double, pollution: Double)) {
    let seed = UInt64.random(in: 0 ... .max)
    let costs = Self.machines[index]
    for sequences in [1, 3, 8] {
      func rate(_ speculation: Speculation) -> Double {
        var machine = machine(
          costs, acceptance: drafts.acceptance, pollution: drafts.pollution, seed: seed)
        return machine.rate(speculation, sequences: sequences, steps: 4000)
      }
      let auto = rate(.auto)
      let plain = rate(.off)
      // More drafts than one per sequence, or eight, are never tried.
      let depths = sequences == 1 ? [1, 2, 4, 8] : [1]
      let best = depths.map { rate(.fixed($0)) }.max()!
      let comment: Comment =
        "seed \(seed), \(sequences) sequences: auto \(auto), off \(plain), best \(best)"
      #expect(auto > 0.95 * plain, comment)
      // Where only many drafts at once outweigh what they do to the caches, one finds none.
      if drafts.pollution == 1 { #expect(auto > 0.8 * best, comment) }
    }
  }

  @Test("a first draft pass, or verification, that was held up does not end drafting for good")
  func firstOutlier() {
    for isDrafting in [true, false] {
      var policy = SpeculationPolicy(EngineTests.limits(sequences: 1), draftRows: 10)
      var record = DraftAcceptance()
      var (drafts, tokens) = (0, 0)
      var isFirst = true
      for _ in 0..<600 {
        let seconds = drafts > 0 && isFirst && !isDrafting ? 1 : 0.01 + 0.001 * Double(drafts)
        policy.recordStep(rows: 1 + drafts, drafts: drafts, seconds: seconds)
        if drafts > 0 {
          isFirst = false
          policy.record(drafted: drafts, accepted: drafts, of: &record)
        }
        tokens += 1 + drafts
        var candidates = [SpeculationPolicy.Candidate(acceptance: record, limit: 1)]
        policy.chooseDepths(&candidates)
        drafts = candidates[0].depth
        if drafts > 0 {
          policy.recordDrafting(rows: 1, seconds: isFirst && isDrafting ? 1 : 0.001)
        }
      }
      #expect(tokens > 1000, "drafting \(isDrafting): \(tokens)")
    }
  }

  @Test(
    "what drafts cost beside their passes is noticed", arguments: machines.indices,
    [(1, 1.0), (4, 1), (1, 4)])
  func hiddenCost(index: Int, drafts: (sequences: Int, cost: Double)) {
    let seed = UInt64.random(in: 0 ... .max)
    func rate(_ speculation: Speculation) -> Double {
      var machine = machine(
        Self.machines[index], acceptance: 0.8, pollution: 1, seed: seed)
      machine.hidden = drafts.cost * Self.machines[index].first / 1000
      return machine.rate(speculation, sequences: drafts.sequences, steps: 8000)
    }
    let (auto, plain) = (rate(.auto), rate(.off))
    #expect(auto > 0.95 * plain, "seed \(seed): auto \(auto), off \(plain)")
  }

  @Test("drafts pause, so that plain steps that have become faster are noticed")
  func pauses() {
    var policy = SpeculationPolicy(EngineTests.limits(sequences: 1), draftRows: 10)
    var record = DraftAcceptance()
    var (drafts, draftedSteps, stepsSinceDrafts) = (0, 0, 0)
    for step in 0..<20_000 {
      // With a draft 14 ms for two tokens; without 10 ms, later 5 ms, for one.
      let plain = step < 1000 ? 0.010 : 0.005
      let verification = drafts > 0 || stepsSinceDrafts < 2 ? 0.012 : plain
      policy.recordStep(rows: 1 + drafts, drafts: drafts, seconds: verification)
      if drafts > 0 { policy.record(drafted: drafts, accepted: drafts, of: &record) }
      let before = drafts
      var candidates = [SpeculationPolicy.Candidate(acceptance: record, limit: 1)]
      policy.chooseDepths(&candidates)
      drafts = candidates[0].depth
      stepsSinceDrafts = drafts > 0 ? 0 : stepsSinceDrafts + 1
      if drafts > 0 { policy.recordDrafting(rows: 1, seconds: 0.002) }
      policy.recordWhole(
        sequences: 1, drafts: before, tokens: 1 + before,
        seconds: verification + (drafts > 0 ? 0.002 : 0))
      if step == 999 { #expect(draftedSteps > 800, "drafts pay at first") }
      if step == 10_000 { draftedSteps = 0 }
      draftedSteps += drafts > 0 ? 1 : 0
    }
    #expect(draftedSteps < 500, "\(draftedSteps) of 10,000 steps have drafts that do not pay")
  }

  @Test("a position counts only where the drafts before it were right")
  func acceptance() {
    var record = DraftAcceptance()
    for step in 0..<400 { record.record(drafted: 2, accepted: step.isMultiple(of: 2) ? 2 : 0) }
    #expect(abs(record.chance(0) - 0.5) < 0.1)
    #expect(record.chance(1) > 0.9)
  }

  @Test("fixed depths are kept, as far as a sequence can use them")
  func fixed() {
    var limits = EngineTests.limits(sequences: 2)
    limits.speculation = .fixed(3)
    var policy = SpeculationPolicy(limits, draftRows: 10)
    var candidates = [5, 2].map {
      SpeculationPolicy.Candidate(acceptance: DraftAcceptance(), limit: $0)
    }
    policy.chooseDepths(&candidates)
    #expect(candidates.map(\.depth) == [3, 2])
    limits.speculation = .off
    policy = SpeculationPolicy(limits, draftRows: 10)
    candidates = [.init(acceptance: DraftAcceptance(), limit: 5)]
    policy.chooseDepths(&candidates)
    #expect(candidates.map(\.depth) == [0])
  }

  @Test("drafts go to the sequences whose drafts are right")
  func sequences() {
    var policy = SpeculationPolicy(EngineTests.limits(sequences: 2), draftRows: 10)
    var good = DraftAcceptance()
    var bad = DraftAcceptance()
    for _ in 0..<100 {
      policy.record(drafted: 2, accepted: 2, of: &good)
      policy.record(drafted: 2, accepted: 0, of: &bad)
    }
    for _ in 0..<30 { policy.recordStep(rows: 2, drafts: 0, seconds: 1.5) }
    for _ in 0..<5 {
      for rows in 3...10 {
        policy.recordStep(rows: rows, drafts: 1, seconds: 1 + 0.25 * Double(rows))
      }
      for rows in 1...10 { policy.recordDrafting(rows: rows, seconds: 0.2) }
    }
    var candidates = [bad, good].map { SpeculationPolicy.Candidate(acceptance: $0, limit: 8) }
    policy.chooseDepths(&candidates)
    #expect(candidates[0].depth == 0)
    #expect(candidates[1].depth >= 2)
  }
}

@Suite("Step costs")
struct StepCostsTests {
  @Test("medians, straight lines between them, and a level that all share")
  func costs() throws {
    var costs = StepCosts(rows: 20)
    #expect(costs.seconds(3) == nil)
    for value in [2.0, 2, 30, 2, 2, 2] { costs.record(rows: 4, seconds: value) }
    let four = try #require(costs.seconds(4))
    #expect(abs(four - 2) < 0.3, "one slow pass says little: \(four)")
    for _ in 0..<50 { costs.record(rows: 12, seconds: 3) }
    let (low, middle, high) = (costs.seconds(4)!, costs.seconds(8)!, costs.seconds(12)!)
    #expect(abs(high - 3) < 0.3)
    #expect(abs(middle - (low + high) / 2) < 0.2)
    // Everything becomes twice as slow: it shows at twelve rows and is believed of four too.
    for _ in 0..<300 { costs.record(rows: 12, seconds: 6) }
    #expect(abs(costs.seconds(12)! - 6) < 0.6)
    #expect(costs.seconds(4)! > 1.5 * low)
    #expect(costs.seconds(1)! < costs.seconds(4)! && costs.seconds(20)! > costs.seconds(12)!)
  }
}
