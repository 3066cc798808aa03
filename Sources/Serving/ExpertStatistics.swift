// The model's expert loads as the targets above the engine see them, which know no model.

import DeepSeek

/// What the router of one mixture layer has done since the model was loaded.
public struct ExpertStatistics: Sendable, Equatable {
  /// Index of the layer; those of MTP modules follow the main ones.
  public let layer: Int
  /// Tokens that each expert computed [experts].
  public let tokens: [Int]
  /// Passes through the layer, and the experts they read, summed over the passes.
  public let passes: Int
  public let activeExperts: Int
  /// The busiest expert's tokens over the mean, and the experts that a pass reads on average; 0
  /// before the first pass.
  public let imbalance: Double
  public let activeExpertsPerPass: Double

  package init(_ load: ExpertLoad) {
    layer = load.layer
    tokens = load.tokens
    passes = load.passes
    activeExperts = load.activeExperts
    imbalance = load.imbalance
    activeExpertsPerPass = load.activeExpertsPerPass
  }
}

extension EngineHandle {
  /// What the routers have done so far, by mixture layer.
  public var expertStatistics: [ExpertStatistics] { expertLoads.map { ExpertStatistics($0) } }
}
