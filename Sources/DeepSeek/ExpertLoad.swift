// What the routers did: which experts the tokens of each layer went to.

import Synchronization

/// The load of one mixture layer's experts since the model was loaded. A checkpoint whose balance
/// holds without an auxiliary loss (DeepSeek-V3 paper, section 2.1.2) shows a maximum near the
/// mean.
public struct ExpertLoad: Sendable, Equatable {
  /// Index of the layer; those of MTP modules follow the main ones.
  public let layer: Int
  /// Tokens that each expert computed [experts].
  public package(set) var tokens: [Int]
  /// Passes through the layer, and the experts they read, summed over the passes.
  public package(set) var passes = 0
  public package(set) var activeExperts = 0
  /// Experts read by passes of the decode lane, those among them.
  public package(set) var decodeActiveExperts = 0

  package init(layer: Int, expertCount: Int) {
    self.layer = layer
    tokens = Array(repeating: 0, count: expertCount)
  }

  /// The busiest expert's tokens over the mean; 1 is perfect balance. 0 before the first token.
  public var imbalance: Double {
    let total = tokens.reduce(0, +)
    guard total > 0, let most = tokens.max() else { return 0 }
    return Double(most) * Double(tokens.count) / Double(total)
  }

  /// Experts that a pass reads on average. 0 before the first pass.
  public var activeExpertsPerPass: Double {
    passes > 0 ? Double(activeExperts) / Double(passes) : 0
  }

  mutating func record(_ plan: ExpertPlan, isDecode: Bool) {
    passes += 1
    activeExperts += plan.active.count
    if isDecode { decodeActiveExperts += plan.active.count }
    for expert in plan.active { tokens[expert] += plan.places(of: expert).count }
  }

  /// The same in memory of its own, so that the next pass need not copy what a reader still holds.
  var detached: ExpertLoad {
    var copy = self
    copy.tokens = tokens.map { $0 }
    return copy
  }
}

/// Counts the passes of all mixture layers: written by the engine's thread, read by any.
final class ExpertCounter: Sendable {
  /// By layer; nil for dense ones.
  private let loads: Mutex<[ExpertLoad?]>

  init(_ configuration: ModelConfiguration) {
    let layers = 0..<configuration.layerCount + configuration.mtpLayerCount
    loads = Mutex(
      layers.map { layer in
        layer < configuration.denseLayerCount && layer < configuration.layerCount
          ? nil : ExpertLoad(layer: layer, expertCount: configuration.routedExpertCount)
      })
  }

  /// Adds the pass that `plan` has just routed through a mixture layer; of dense ones there is
  /// nothing to count. Allocates nothing.
  func record(_ plan: ExpertPlan, layer: Int, isDecode: Bool = false) {
    loads.withLock { $0[layer]?.record(plan, isDecode: isDecode) }
  }

  /// The loads so far, of mixture layers alone.
  var snapshot: [ExpertLoad] {
    loads.withLock { loads in loads.compactMap { $0?.detached } }
  }
}
