// What products are swept over: the tiers that this processor has, and tiles without a processor.

import AMXModel
import Compute

enum KernelVariant: Equatable, CustomStringConvertible {
  case tier(KernelTier)
  /// The AMX tier with its instructions computed in C.
  case modelledTiles

  static let scalar = KernelVariant.tier(.scalar)

  static let all: [KernelVariant] =
    KernelTier.allCases.filter { Kernels(tier: $0) != nil }.map { .tier($0) }
    + (unsafe amx_model() == nil ? [] : [.modelledTiles])

  /// - Parameter fast: with inputs rounded and quantised.
  func kernels(fast: Bool) -> Kernels {
    switch self {
    case .tier(let tier): Kernels(tier: tier, roundsInputs: fast, quantisesInputs: fast)!
    case .modelledTiles:
      unsafe Kernels(
        tier: .avx512BFloat16, panels: amx_model(), roundsInputs: fast, quantisesInputs: fast)
    }
  }

  var description: String {
    switch self {
    case .tier(let tier): "\(tier)"
    case .modelledTiles: "modelled tiles"
    }
  }
}
