// The engine over many seeded steps: whatever arrives, leaves or runs out, every answer is its own
// and every page is in its place.

import Serving
import Testing

@Suite("Simulation")
struct SimulationTests {
  static let settings: [SimulationSettings] = [
    SimulationSettings(
      testDescription: "MTP off", speculation: .off, chunk: 16, pages: 60, backlog: 2000),
    SimulationSettings(testDescription: "roomy, large chunks", chunk: 512, pages: 400, backlog: 1),
    SimulationSettings(testDescription: "tiny pool", chunk: 16, pages: 14, isShort: true),
    SimulationSettings(
      testDescription: "tiny pool, fixed depth", speculation: .fixed(3), acceptance: 0.5,
      pages: 16, isShort: true),
    SimulationSettings(
      testDescription: "nothing accepted, no cache", acceptance: 0, chunk: 512,
      cachesPrefixes: false, pausedSequences: 1),
    SimulationSettings(
      testDescription: "all accepted, salts", speculation: .fixed(8), acceptance: 1, chunk: 100,
      salts: [nil, "a", "b"]),
    SimulationSettings(
      testDescription: "layer by layer, tiny pool", speculation: .fixed(1), chunk: 16, pages: 18,
      stepSeconds: 1e-9, isShort: true),
    SimulationSettings(
      testDescription: "no MTP module, no cache, tiny pool", acceptance: nil, chunk: 33, pages: 14,
      cachesPrefixes: false, isShort: true),
  ]

  @Test("every answer is its own, every page in its place", arguments: settings)
  func simulate(settings: SimulationSettings) {
    let seed = UInt64.random(in: 0 ... .max)
    let about: Comment = "\(settings.testDescription), seed \(seed)"
    let simulation = Simulation(settings, seed: seed)
    simulation.run(steps: 14_000)
    // Sequences whose readers pause give up their pages, too: a short life may know no preemption.
    if settings.isShort, simulation.statistics.preemptions == 0 { simulation.run(steps: 60_000) }
    #expect(simulation.failure == nil, about)
    #expect(simulation.finished > 200 && simulation.cancelled > 100, about)
    #expect(simulation.refused > 0, about)
    #expect((simulation.cachedTokens > 0) == settings.cachesPrefixes, about)
    let statistics = simulation.statistics
    #expect(!settings.isShort || statistics.preemptions > 0, about)
    #expect((statistics.pauses > 0) == (settings.backlog < 1000), about)
    let accepted = statistics.drafts.reduce(0) { $0 + $1.accepted }
    let expectsDrafts = settings.speculation != .off && settings.acceptance ?? 0 > 0
    #expect(!expectsDrafts || accepted > 0, about)
    // 512 rows would take 133 ms through all layers.
    #expect(simulation.longestStep < 100_000_000, about)
  }

  @Test("a seed repeats a life, so that what it shows can be looked at again")
  func repetition() {
    let seed = UInt64.random(in: 0 ... .max)
    let lives = (0..<2).map { _ in
      let simulation = Simulation(Self.settings[2], seed: seed)
      simulation.run(steps: 1000)
      return simulation
    }
    #expect(lives[0].statistics == lives[1].statistics, "seed \(seed)")
    #expect(lives[0].longestStep == lives[1].longestStep, "seed \(seed)")
  }
}
