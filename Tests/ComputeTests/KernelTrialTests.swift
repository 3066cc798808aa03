// What the bench measures with: limits are numbers that a machine can have, and trials find the
// kernels to be exact.

import Compute
import Testing

@Suite("Limits and trials")
struct KernelTrialTests {
  private static let tiers = KernelTier.allCases.filter { Kernels(tier: $0) != nil }

  @Test("every tier has limits", arguments: tiers)
  func limits(tier: KernelTier) throws {
    let pool = try WorkerPool(threadCount: 2)
    // Too little to be memory's rate, and enough to be one.
    let limits = try MachineLimits.measure(on: pool, tier: tier, memory: 1 << 20)
    #expect((1e6...1e15).contains(limits.readBytesPerSecond))
    for arithmetic in Arithmetic.allCases { #expect((1e6...1e15).contains(limits[arithmetic])) }
    let again = try MachineLimits.measure(on: pool, tier: tier, memory: 1 << 20)
    let best = limits.best(again)
    #expect(best.readBytesPerSecond == max(limits.readBytesPerSecond, again.readBytesPerSecond))
    #expect(best[.int8] == max(limits[.int8], again[.int8]))
  }

  @Test("trials of every format and tier are exact", arguments: ElementFormat.allCases)
  func trials(format: ElementFormat) throws {
    let pool = try WorkerPool(threadCount: 2)
    let trial = try KernelTrial(format, on: pool, memory: 1 << 20)
    for tier in Self.tiers {
      for flags in [false, true] {
        let kernels = try #require(
          Kernels(tier: tier, roundsInputs: flags, quantisesInputs: flags))
        for rows in [1, 2, 9] { #expect(trial.isExact(kernels, rows: rows), "\(tier) \(rows)") }
      }
      let kernels = try #require(Kernels(tier: tier, quantisesInputs: true))
      #expect(trial.streamedRate(kernels).bytesPerSecond > 0)
      let rate = trial.cachedRate(kernels, rows: 3)
      // Every weight is used three times.
      let elements = rate.multiplyAddsPerSecond / 3
      let bytesPerElement = rate.bytesPerSecond / elements
      let stored = Double(format.blockBytes) / Double(format.blockLength)
      #expect(bytesPerElement >= stored * 0.99 && bytesPerElement < stored * 1.15)
    }
  }
}
