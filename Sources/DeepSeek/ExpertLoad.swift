// What the routers did: which experts the tokens of each layer went to.

/// The load of one mixture layer's experts since the model was loaded. A checkpoint whose balance
/// holds without an auxiliary loss (DeepSeek-V3 paper, section 2.1.2) shows a maximum near the
/// mean.
public struct ExpertLoad: Sendable, Equatable {
  /// Index of the layer; those of MTP modules follow the main ones.
  public let layer: Int
  /// Tokens that each expert computed [experts].
  public internal(set) var tokens: [Int]
  /// Passes through the layer, and the experts they read, summed over the passes.
  public internal(set) var passes = 0
  public internal(set) var activeExperts = 0

  init(layer: Int, expertCount: Int) {
    self.layer = layer
    tokens = Array(repeating: 0, count: expertCount)
  }

  /// The busiest expert's tokens over the mean; 1 is perfect balance. 0 before the first token.
  public var imbalance: Double {
    let total = tokens.reduce(0, +)
    guard total > 0, let most = tokens.max() else { return 0 }
    return Double(most) * Double(tokens.count) / Double(total)
  }
}
