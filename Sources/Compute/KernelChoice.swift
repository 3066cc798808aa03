// Which tier a process uses when nobody names one.

extension Kernels {
  /// The fastest tier of this processor, with inputs as they are. Tiles are of integers only.
  public static let best: Kernels = KernelTier.allCases.reversed().lazy
    .filter { $0 != .amx }.compactMap { Kernels(tier: $0) }.first!

  /// The fastest tier of this processor, with inputs quantised, and rounded where an instruction
  /// makes that faster.
  public static let fastest: Kernels =
    tiled.flatMap { rejected.contains($0.tier) ? nil : $0 }
    ?? Kernels(tier: .avx512BFloat16, roundsInputs: true, quantisesInputs: true)
    ?? Kernels(tier: best.tier, quantisesInputs: true) ?? best

  /// Tiers that this processor has but that are not chosen, because a trial of their products did
  /// not give the bits of the definition. Only tiles are tried: those have been tested against a
  /// model of their instructions, not on every processor that has them.
  public static let rejected: [KernelTier] =
    tiled.map { $0.matchesDefinition() ? [] : [$0.tier] } ?? []

  private static let tiled = Kernels(tier: .amx, roundsInputs: true, quantisesInputs: true)

  /// Rows of a trial that fill several tiles.
  private static let trialRows = 70

  /// Whether small products of every format have the bits of the scalar definition. False as well
  /// when there is no memory to find out.
  package func matchesDefinition() -> Bool {
    do {
      let pool = try WorkerPool(threadCount: 1)
      return try ElementFormat.allCases.allSatisfy { format in
        let trial = try ExactnessTrial(format, rowLimit: Self.trialRows, on: pool)
        return [3, 17, Self.trialRows].allSatisfy { trial.isExact(self, rows: $0) }
      }
    } catch {
      return false
    }
  }
}
